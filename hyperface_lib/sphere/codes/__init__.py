"""Constructions of spherical codes in closed form, one family a module."""
