"""Find, group and name the people in a photo library, on your own machine."""
