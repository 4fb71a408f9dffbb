"""The local cluster: engines, sockets and the supervisor that `ringpost up` and `ringpost serve` run."""
