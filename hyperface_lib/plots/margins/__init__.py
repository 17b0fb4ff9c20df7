"""The parts of the margin explorers: settings, controls, the toy they train, its picture, and the live loop."""
