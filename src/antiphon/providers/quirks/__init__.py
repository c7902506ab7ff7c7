"""What providers do differently, as data: one file each."""
