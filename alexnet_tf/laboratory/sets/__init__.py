"""What a network says of a whole set, and how near its pictures are to each other."""
