"""Draws portraits of people who do not exist: a small generator of faces and the scenes they stand
in.
"""
