// ask talks to a game server in the game's own protocol and prints what it answers: the proof that a game runs behind a port.
//
//	ask wesnoth|teeworlds HOST:PORT [SECONDS]
//
// Exits 0 with one line of the game's answer, else 1 with the reason, at the latest after SECONDS (10).
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: ask wesnoth|teeworlds HOST:PORT [SECONDS]")
		os.Exit(2)
	}
	limit := 10 * time.Second
	if len(os.Args) > 3 {
		seconds, err := strconv.Atoi(os.Args[3])
		if err != nil || seconds < 1 {
			fmt.Fprintf(os.Stderr, "%q is no number of seconds\n", os.Args[3])
			os.Exit(2)
		}
		limit = time.Duration(seconds) * time.Second
	}
	deadline := time.Now().Add(limit)
	var answer string
	var err error
	switch os.Args[1] {
	case "wesnoth":
		answer, err = askWesnoth(os.Args[2], deadline)
	case "teeworlds":
		answer, err = askTeeworlds(os.Args[2], deadline)
	default:
		err = fmt.Errorf("unknown game %q", os.Args[1])
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s at %s: %v\n", os.Args[1], os.Args[2], err)
		os.Exit(1)
	}
	fmt.Println(answer)
}

// askWesnoth greets: four zero bytes ask for a connection in the clear; the server sends its connection number, and a gzip'd
// document that asks for our version.
func askWesnoth(address string, deadline time.Time) (string, error) {
	connection, err := net.DialTimeout("tcp", address, time.Until(deadline))
	if err != nil {
		return "", err
	}
	defer connection.Close()
	_ = connection.SetDeadline(deadline)
	if _, err := connection.Write(make([]byte, 4)); err != nil {
		return "", err
	}
	var head struct{ ID, Length uint32 }
	if err := binary.Read(connection, binary.BigEndian, &head); err != nil {
		return "", fmt.Errorf("no greeting: %w", err)
	}
	if head.Length == 0 || head.Length > 1<<20 {
		return "", fmt.Errorf("a document of %d bytes is not Wesnoth's greeting", head.Length)
	}
	packed := make([]byte, head.Length)
	if _, err := io.ReadFull(connection, packed); err != nil {
		return "", fmt.Errorf("the greeting ends early: %w", err)
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return "", fmt.Errorf("the greeting is not gzip: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(unpacked, 1<<20))
	if err != nil {
		return "", fmt.Errorf("the greeting is not gzip: %w", err)
	}
	if !bytes.HasPrefix(text, []byte("[version]")) {
		return "", fmt.Errorf("unexpected greeting %q", text[:min(len(text), 40)])
	}
	return fmt.Sprintf("Wesnoth greets connection %d and asks %q", head.ID, strings.Join(strings.Fields(string(text)), " ")), nil
}

// askTeeworlds does the token handshake of Teeworlds 0.7 and asks for the server's info.
func askTeeworlds(address string, deadline time.Time) (string, error) {
	connection, err := net.Dial("udp", address)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	ours := uint32(time.Now().UnixNano())&0x7fffffff | 1
	noToken := uint32(0xffffffff)

	// A control packet: flags and ack, chunk count, the peer's token; then "token" (5), our token, and padding to 512 bytes,
	// which proves to the server that it is not being used to amplify.
	hello := append([]byte{0x04, 0, 0}, binary.BigEndian.AppendUint32(nil, noToken)...)
	hello = append(hello, 5)
	hello = binary.BigEndian.AppendUint32(hello, ours)
	hello = append(hello, make([]byte, 512)...)
	reply, err := exchange(connection, hello, deadline, func(p []byte) bool {
		return len(p) >= 12 && p[0]&0x04 != 0 && p[7] == 5 && binary.BigEndian.Uint32(p[3:7]) == ours
	})
	if err != nil {
		return "", fmt.Errorf("no token: %w", err)
	}
	theirs := reply[8:12]

	// A connectionless packet of protocol version 1: both tokens, the message's magic, and a number to find the answer by.
	request := append([]byte{0x21}, theirs...)
	request = binary.BigEndian.AppendUint32(request, ours)
	request = append(request, 0xff, 0xff, 0xff, 0xff, 'g', 'i', 'e', '3', 0)
	info, err := exchange(connection, request, deadline, func(p []byte) bool {
		return len(p) > 17 && p[0]&0x20 != 0 && string(p[13:17]) == "inf3"
	})
	if err != nil {
		return "", fmt.Errorf("no info: %w", err)
	}
	return describeTeeworlds(info[17:])
}

// exchange sends once a second until a wanted packet comes back.
func exchange(connection net.Conn, packet []byte, deadline time.Time, wanted func([]byte) bool) ([]byte, error) {
	buffer := make([]byte, 2048)
	var last error
	for time.Now().Before(deadline) {
		if _, err := connection.Write(packet); err != nil {
			last = err
			time.Sleep(100 * time.Millisecond)
			continue
		}
		until := time.Now().Add(time.Second)
		if until.After(deadline) {
			until = deadline
		}
		_ = connection.SetReadDeadline(until)
		for {
			n, err := connection.Read(buffer)
			if err != nil {
				last = err
				time.Sleep(50 * time.Millisecond)
				break
			}
			if wanted(buffer[:n]) {
				return bytes.Clone(buffer[:n]), nil
			}
		}
	}
	return nil, last
}

// describeTeeworlds reads: request number, version, name, host name, map, mode, flags, skill, players, player limit, …
func describeTeeworlds(info []byte) (string, error) {
	number := func() (int, bool) {
		if len(info) == 0 {
			return 0, false
		}
		sign, value, shift := info[0]&0x40 != 0, int(info[0]&0x3f), 6
		more := info[0]&0x80 != 0
		info = info[1:]
		for more {
			if len(info) == 0 || shift > 27 {
				return 0, false
			}
			value |= int(info[0]&0x7f) << shift
			more = info[0]&0x80 != 0
			shift += 7
			info = info[1:]
		}
		if sign {
			value = ^value
		}
		return value, true
	}
	text := func() (string, bool) {
		end := bytes.IndexByte(info, 0)
		if end < 0 {
			return "", false
		}
		s := string(info[:end])
		info = info[end+1:]
		return s, true
	}
	_, ok := number()
	var words [5]string
	for i := range words {
		if ok {
			words[i], ok = text()
		}
	}
	var numbers [4]int
	if ok && len(info) >= 1 {
		info = info[1:] // flags are one byte
		for i := range 3 {
			if ok {
				numbers[i], ok = number()
			}
		}
		if len(info) > 0 && ok {
			numbers[3], ok = number()
		}
	} else {
		ok = false
	}
	if !ok {
		return "", fmt.Errorf("the info packet ends early")
	}
	return fmt.Sprintf("Teeworlds %s answers: name %q, map %q, mode %q, players %d/%d", words[0], words[1], words[3], words[4], numbers[1], numbers[2]), nil
}
