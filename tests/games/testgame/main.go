// testgame is a game server that does what a test tells it to.
//
//	testgame [FLAGS]                 the server; TESTGAME_ARGS in the environment holds further flags, split at spaces
//	testgame probe file PATH         exits 0 when the file is there, else 1; for exec probes
//	testgame probe port PORT         exits 0 when the server answers on that TCP port, else 1
//	testgame probe exit CODE | hang
//
// On its ports, a line of TCP or a datagram of UDP is a request; all but these get `pong:<request>`:
//
//	world            the saved world on one line: `world <id>; start <time>; …`: the id of the first start, then each start and `append`
//	append TEXT      adds to it, on disk before the answer
//	env              arguments, environment, uid, gid, as JSON
//	write PATH       tries to write a file there: `ok` or the error
//	ready | unready  turns readiness on and off
//	log TEXT         prints it; `hostile` prints what no terminal should get
//	crash N          exits with N at once, nothing saved;  `exit N` ends in order;  `signal N` ends by that signal
//	hog              takes memory until the kernel ends it
//	threads N        starts N threads that stay: `ok`, or the game's end where the kernel gives no more
package main

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type ports []int

func (p *ports) String() string { return fmt.Sprint(*p) }

func (p *ports) Set(text string) error {
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return err
	}
	*p = append(*p, int(port))
	return nil
}

type server struct {
	data  string
	ready atomic.Bool
	save  sync.Mutex
	mute  bool
	hold  bool
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "probe" {
		os.Exit(probe(os.Args[2:]))
	}
	flags := flag.NewFlagSet("testgame", flag.ExitOnError)
	var tcp, udp, web ports
	flags.Var(&tcp, "tcp", "TCP `port` to answer on; may be repeated")
	flags.Var(&udp, "udp", "UDP `port` to answer on; may be repeated")
	flags.Var(&web, "http", "TCP `port` of GET /ready (200 or 503); may be repeated")
	data := flags.String("data", "/data", "`folder` of the world; without it nothing is saved")
	readyAfter := flags.Duration("ready-after", 0, "time until ready: until then no port is open")
	neverReady := flags.Bool("never-ready", false, "never ready: no port is ever open")
	early := flags.Bool("listen-early", false, "ports are open before it is ready, and answer nothing")
	eof := flags.Bool("close-at-once", false, "TCP connections are closed as soon as they are made")
	mute := flags.Bool("mute", false, "TCP connections stay open, nothing is ever answered")
	exitAfter := flags.Duration("exit-after", 0, "time until it ends by itself, 0 for never")
	exitCode := flags.Int("exit-code", 0, "exit code of --exit-after")
	termCode := flags.Int("term-code", 0, "exit code after SIGTERM")
	termAfter := flags.Duration("term-after", 0, "time that it takes to end after SIGTERM")
	ignoreTerm := flags.Bool("ignore-term", false, "SIGTERM changes nothing")
	hog := flags.Bool("hog-memory", false, "takes memory until the kernel ends it")
	hostile := flags.Bool("hostile-log", false, "prints what no terminal should get")
	print := flags.String("print", "", "prints this `text` at the start")
	args := append(os.Args[1:], strings.Fields(os.Getenv("TESTGAME_ARGS"))...)
	_ = flags.Parse(args)
	if flags.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "unknown argument %q\n", flags.Arg(0))
		os.Exit(64)
	}

	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM)
	go func() {
		for range terms {
			if *ignoreTerm {
				fmt.Println("SIGTERM ignored")
				continue
			}
			fmt.Println("SIGTERM, ending")
			time.Sleep(*termAfter)
			fmt.Println("server ended")
			os.Exit(*termCode)
		}
	}()

	s := &server{data: *data, mute: *mute, hold: *early}
	fmt.Printf("testgame starting, pid %d\n", os.Getpid())
	if *print != "" {
		fmt.Println(*print)
	}
	if *hostile {
		printHostile()
	}
	s.load()
	if *exitAfter > 0 {
		time.AfterFunc(*exitAfter, func() {
			fmt.Println("server ended by itself")
			os.Exit(*exitCode)
		})
	}
	if *hog {
		takeMemory()
	}
	if *early {
		s.open(tcp, udp, web, *eof)
	}
	if *neverReady {
		select {}
	}
	time.Sleep(*readyAfter)
	s.ready.Store(true)
	if !*early {
		s.open(tcp, udp, web, *eof)
	}
	fmt.Println("server ready")
	select {}
}

// open listens on every port, and ends the server if one cannot be had.
func (s *server) open(tcp, udp, web ports, eof bool) {
	for _, port := range tcp {
		listener, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		exitOn(err)
		go s.acceptAll(listener, eof)
	}
	for _, port := range udp {
		socket, err := net.ListenPacket("udp", fmt.Sprintf(":%d", port))
		exitOn(err)
		go s.answerDatagrams(socket)
	}
	for _, port := range web {
		listener, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		exitOn(err)
		mux := http.NewServeMux()
		mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
			if !s.ready.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
		go func() { exitOn(http.Serve(listener, mux)) }()
	}
}

func (s *server) acceptAll(listener net.Listener, eof bool) {
	for {
		connection, err := listener.Accept()
		exitOn(err)
		if eof {
			_ = connection.Close()
			continue
		}
		go func() {
			defer connection.Close()
			lines := bufio.NewScanner(connection)
			for lines.Scan() {
				if answer, ok := s.answer(lines.Text()); ok {
					fmt.Fprintf(connection, "%s\n", answer)
				}
			}
		}()
	}
}

func (s *server) answerDatagrams(socket net.PacketConn) {
	buffer := make([]byte, 65536)
	for {
		n, from, err := socket.ReadFrom(buffer)
		exitOn(err)
		if answer, ok := s.answer(strings.TrimRight(string(buffer[:n]), "\r\n")); ok {
			_, _ = socket.WriteTo([]byte(answer), from)
		}
	}
}

func (s *server) answer(request string) (string, bool) {
	if s.mute || (s.hold && !s.ready.Load() && request != "ready") {
		return "", false
	}
	verb, rest, _ := strings.Cut(request, " ")
	number, _ := strconv.Atoi(rest)
	switch verb {
	case "world":
		text, err := os.ReadFile(s.worldFile())
		if err != nil {
			return "error: " + err.Error(), true
		}
		return strings.Join(strings.Split(strings.TrimSpace(string(text)), "\n"), "; "), true
	case "append":
		if err := s.appendLine(rest); err != nil {
			return "error: " + err.Error(), true
		}
		return "ok", true
	case "env":
		text, err := json.Marshal(map[string]any{"args": os.Args, "env": os.Environ(), "uid": os.Getuid(), "gid": os.Getgid()})
		exitOn(err)
		return string(text), true
	case "write":
		if err := os.WriteFile(rest, []byte("x"), 0o644); err != nil {
			return "error: " + err.Error(), true
		}
		return "ok", true
	case "ready", "unready":
		s.ready.Store(verb == "ready")
		return "ok", true
	case "log":
		fmt.Println(rest)
		return "ok", true
	case "hostile":
		printHostile()
		return "ok", true
	case "crash":
		fmt.Fprintf(os.Stderr, "fatal: told to crash with %d\n", number)
		os.Exit(number)
	case "exit":
		fmt.Println("server ended, as asked")
		os.Exit(number)
	case "signal":
		signal.Reset()
		_ = syscall.Kill(os.Getpid(), syscall.Signal(number))
	case "hog":
		go takeMemory()
		return "ok", true
	case "threads":
		startThreads(number)
		return "ok", true
	}
	return "pong:" + request, true
}

// startThreads returns when all of them run. Where no thread is to be had, Go ends the program and says so.
func startThreads(count int) {
	var running sync.WaitGroup
	running.Add(count)
	for range count {
		go func() {
			// A thread that is locked to what waits is nobody else's.
			runtime.LockOSThread()
			running.Done()
			select {}
		}()
	}
	running.Wait()
}

func (s *server) worldFile() string { return filepath.Join(s.data, "world") }

// load makes the world at the first start, and leaves a line in it at each. A folder that is missing is a game without a save.
func (s *server) load() {
	if _, err := os.Stat(s.data); errors.Is(err, os.ErrNotExist) {
		return
	}
	if _, err := os.Stat(s.worldFile()); errors.Is(err, os.ErrNotExist) {
		id := make([]byte, 8)
		_, _ = rand.Read(id)
		if err := s.appendLine("world " + hex.EncodeToString(id)); err != nil {
			fmt.Fprintf(os.Stderr, "cannot save: %v\n", err)
			return
		}
	}
	if err := s.appendLine("start " + time.Now().UTC().Format(time.RFC3339Nano)); err != nil {
		fmt.Fprintf(os.Stderr, "cannot save: %v\n", err)
	}
}

func (s *server) appendLine(line string) error {
	s.save.Lock()
	defer s.save.Unlock()
	file, err := os.OpenFile(s.worldFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := fmt.Fprintln(file, line); err != nil {
		return err
	}
	return file.Sync()
}

// printHostile writes a title change, a screen clear, a colour, a bell, right-to-left overrides, a NUL, broken UTF-8, and a secret.
func printHostile() {
	fmt.Fprintf(os.Stderr, "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m \u202egnp.exe\u202c \u2066isolated\u2069 nul:\x00 bad:\xff\xfe \r\nrcon password is s3cret-%d\n", os.Getpid())
}

func takeMemory() {
	var kept [][]byte
	for {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		kept = append(kept, block)
		if len(kept) > 1<<16 {
			fmt.Println("64 GiB taken and still alive")
			os.Exit(99)
		}
	}
}

func probe(args []string) int {
	if len(args) == 1 && args[0] == "hang" {
		time.Sleep(time.Hour)
	}
	if len(args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: testgame probe file PATH | port PORT | exit CODE | hang")
		return 64
	}
	switch args[0] {
	case "file":
		if _, err := os.Stat(args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	case "port":
		connection, err := net.DialTimeout("tcp", "127.0.0.1:"+args[1], time.Second)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer connection.Close()
		_ = connection.SetDeadline(time.Now().Add(time.Second))
		fmt.Fprintln(connection, "probe")
		line, err := bufio.NewReader(connection).ReadString('\n')
		if err != nil || line != "pong:probe\n" {
			fmt.Fprintf(os.Stderr, "answer %q, %v\n", line, err)
			return 1
		}
		return 0
	case "exit":
		code, _ := strconv.Atoi(args[1])
		return code
	}
	return 64
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(70)
	}
}
