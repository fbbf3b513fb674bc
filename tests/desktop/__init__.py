"""File managers and editors on a mounted drive, driven as a person does, on a display of their own."""
