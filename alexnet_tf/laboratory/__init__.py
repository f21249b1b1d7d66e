"""What a trained network has learned, and whether what papers claim holds here."""
