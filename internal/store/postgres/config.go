package postgres

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Config says where and how to keep the data. Zero fields take their defaults.
type Config struct {
	// URL is postgres://USER:PASSWORD@HOST:PORT/DATABASE?PARAMETERS, with the
	// parameters and environment variables of libpq (sslmode, PGPASSWORD, ...).
	// Required.
	URL string
	// MaxConnections bounds the connections of this process; default 16.
	MaxConnections int
	// Writers is how many transactions write finished samples at once; default 2,
	// and at most MaxConnections. The samples of one run always go to one of them.
	Writers int
	// QueueSize is how many calls of SaveFinished may wait at each writer; further
	// callers wait for a place in the queue. Default 1024.
	QueueSize int
	// BatchRows is about how many samples go into one commit; default 200. A
	// single request is never split.
	BatchRows int
}

// complete fills in defaults and reports every field that is wrong.
func (c Config) complete() (Config, error) {
	var errs []error
	for _, f := range []struct {
		name  string
		value *int
		def   int
	}{
		{"max connections", &c.MaxConnections, 16},
		{"writers", &c.Writers, 2},
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
	c.Writers = min(c.Writers, c.MaxConnections)
	return c, errors.Join(errs...)
}

// IsURL reports whether s names a PostgreSQL database.
func IsURL(s string) bool {
	return strings.HasPrefix(s, "postgres://") || strings.HasPrefix(s, "postgresql://")
}

// CheckURL reports what is wrong with a URL, without connecting and without a
// word of the URL in the error, for it may hold a password anywhere.
func CheckURL(s string) error {
	_, err := parse(s)
	return err
}

func parse(s string) (*pgxpool.Config, error) {
	const form = "must be postgres://USER:PASSWORD@HOST:PORT/DATABASE, with characters such as / # ? @ % in a password percent-encoded"
	if u, err := url.Parse(s); err != nil || !IsURL(s) || u.Opaque != "" {
		return nil, errors.New(form)
	}
	c, err := pgxpool.ParseConfig(s)
	if err != nil {
		return nil, errors.New(form + ", and with parameters that libpq knows (sslmode, sslrootcert, connect_timeout, ...)")
	}
	return c, nil
}

// Redact returns a URL as it may be shown: who, where and which database,
// without password and parameters.
func Redact(s string) string {
	c, err := parse(s)
	if err != nil {
		return "postgres://"
	}
	return place(c.ConnConfig)
}

func place(c *pgx.ConnConfig) string {
	u := url.URL{Scheme: "postgres", User: url.User(c.User), Host: hostPort(&c.Config), Path: "/" + c.Database}
	return u.String()
}

func hostPort(c *pgconn.Config) string {
	if strings.HasPrefix(c.Host, "/") {
		return c.Host // a directory of sockets
	}
	return net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
}
