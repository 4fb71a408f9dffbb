"""The journey of a ping, for the services that answer one: the same rooms as a service, the arrows alike."""
