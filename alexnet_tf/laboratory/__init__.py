"""What a trained network has learned, as pictures with the numbers behind them."""
