"""QuantLab: Taiwan market data, complete, correct and fresh. Start reading at docs/DEVELOPMENT_GUIDE.md."""
