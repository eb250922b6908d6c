"""TastyTrade: orders and accounts over REST and the account streamer, market data over DXLink."""
