"""The parts of the live explorer: controls, ways of looking at the points, the picture, a layout that follows them."""
