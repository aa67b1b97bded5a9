module dillinger.dev/tests/games/registry

go 1.24
