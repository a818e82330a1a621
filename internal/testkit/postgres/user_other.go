//go:build !unix

package postgres

import "syscall"

// unprivileged changes nothing where there is no root.
func unprivileged(...string) (*syscall.SysProcAttr, error) { return &syscall.SysProcAttr{}, nil }
