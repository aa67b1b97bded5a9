module dillinger.dev/tests/games/testgame

go 1.24
