"""The layered lens, the default: surfaces hide each other, with what lies behind them."""
