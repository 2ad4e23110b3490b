"""A faithful local stand-in of Botify's API: the demo of a newcomer, and the test double."""
