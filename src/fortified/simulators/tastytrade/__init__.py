"""TastyTrade as it behaves: the REST interface and the account streamer."""
