"""Few points in few dimensions: optima to the last digits, by many compiled descents and Newton on the contacts."""
