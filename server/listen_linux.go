package main

import "syscall"

// tcpNotSentLowat is TCP_NOTSENT_LOWAT, which package syscall lacks.
const tcpNotSentLowat = 25

// unsent bounds what the kernel holds for a client that does not take it. On
// loopback it is 4 MB by default: a thousand slow readers used up the memory
// of all TCP (net.ipv4.tcp_mem), and with it everybody else's connections. What
// is under way is not bounded, so fast lines stay fast. Accepted connections
// inherit it.
func unsent(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		// A kernel without it serves all the same.
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotSentLowat, 256<<10)
	})
}
