"""Make the shipped artefacts again, from nothing and in order."""
