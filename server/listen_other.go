//go:build !linux

package main

import "syscall"

// unsent is for Linux, whose buffers on loopback are large.
func unsent(_, _ string, _ syscall.RawConn) error { return nil }
