package sqlite

import (
	"errors"
	"time"
)

// Config says where and how to keep the data. Zero fields take their defaults.
type Config struct {
	// Path names the database file. It and missing directories above it are
	// created, for this user alone. Required.
	Path string
	// Readers is the most read connections; default 4.
	Readers int
	// QueueSize is how many writes may wait; further callers wait for a place
	// in the queue. Default 1024.
	QueueSize int
	// BatchRows is about how many rows go into one commit; default 200. A
	// single request is never split.
	BatchRows int
	// BusyTimeout is how long to wait for another program that holds a lock on
	// the file, such as a backup; default 5 s.
	BusyTimeout time.Duration
}

// complete fills in defaults and reports every field that is wrong.
func (c Config) complete() (Config, error) {
	var errs []error
	if c.Path == "" {
		errs = append(errs, errors.New("path: must not be empty"))
	}
	for _, f := range []struct {
		name  string
		value *int
		def   int
	}{
		{"readers", &c.Readers, 4},
		{"queue size", &c.QueueSize, 1024},
		{"batch rows", &c.BatchRows, 200},
	} {
		if *f.value < 0 {
			errs = append(errs, errors.New(f.name+": must not be negative"))
		}
		if *f.value == 0 {
			*f.value = f.def
		}
	}
	if c.BusyTimeout < 0 {
		errs = append(errs, errors.New("busy timeout: must not be negative"))
	}
	if c.BusyTimeout == 0 {
		c.BusyTimeout = 5 * time.Second
	}
	return c, errors.Join(errs...)
}
