// Package postgres starts a PostgreSQL server for the tests of a package: one
// that is installed on the machine, on a scratch directory and a free loopback
// port, with a fresh database for each test. It is never a mock.
package postgres

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// EnvRequired is the environment variable that makes a missing server a failure
// when it is "required". Otherwise tests that need one are skipped.
const EnvRequired = "POSTGRES_TEST"

// Tests are the tests of a package that use a server.
type Tests struct{ m *testing.M }

// Main returns what TestMain runs: the tests, and after them the end of the
// server if one of them has started it.
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(postgres.Main(m)) }
func Main(m *testing.M) Tests { return Tests{m} }

// Run implements goleak.TestingM.
func (t Tests) Run() int {
	code := t.m.Run()
	if shared.server != nil {
		if err := shared.server.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
			code = max(code, 1)
		}
	}
	return code
}

var shared struct {
	once   sync.Once
	server *server
	err    error
}

// databases numbers the databases of the process.
var databases atomic.Int64

// Database returns the URL of a new, empty database, which is dropped at the end
// of the test. Its user is a superuser and has a password. The test is skipped
// when no server is installed, or fails where EnvRequired says so.
func Database(t testing.TB) string {
	t.Helper()
	shared.once.Do(func() { shared.server, shared.err = start() })
	var missing *MissingError
	if errors.As(shared.err, &missing) && os.Getenv(EnvRequired) != "required" {
		t.Skip(missing)
	}
	require.NoError(t, shared.err)
	s := shared.server
	name := "test_" + strconv.FormatInt(databases.Add(1), 10)
	s.exec(t, "CREATE DATABASE "+name)
	t.Cleanup(func() { s.exec(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	return s.url(name)
}

// MissingError says that there is no PostgreSQL to start.
type MissingError struct{ Looked []string }

// Error implements error.
func (e *MissingError) Error() string {
	return fmt.Sprintf("no PostgreSQL server is installed (looked for initdb and postgres in PATH and %v): "+
		"`make postgres` installs Debian's package postgresql where it may", e.Looked)
}

// server is a PostgreSQL server of this process.
type server struct {
	port     int
	password string
	cmd      *exec.Cmd
	stdin    io.Closer
}

// binaries finds the directory of the newest installed server.
func binaries() (string, error) {
	const pattern = "/usr/lib/postgresql/*/bin"
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	dirs, err := filepath.Glob(pattern)
	if err != nil {
		return "", err
	}
	version := func(dir string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		return n
	}
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "postgres")); err == nil {
			return dir, nil
		}
	}
	return "", &MissingError{Looked: []string{pattern}}
}

// supervise runs the server until its standard input ends, which it also does
// when the process that holds the other end is killed, and cleans up.
const supervise = `dir=$1; shift
"$@" >"$dir/log" 2>&1 &
pid=$!
cat >/dev/null
kill -QUIT $pid 2>/dev/null
wait $pid
rm -rf "$dir"`

func start() (_ *server, err error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "unmask-postgres-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	secret := make([]byte, 16)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	s := &server{password: hex.EncodeToString(secret)}
	pwfile := filepath.Join(dir, "password")
	if err := os.WriteFile(pwfile, []byte(s.password), 0o600); err != nil {
		return nil, err
	}
	// The server refuses to run as root.
	user, err := unprivileged(dir, pwfile)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	initdb := func(locale ...string) error {
		args := append([]string{
			"--pgdata=" + data, "--username=unmask", "--pwfile=" + pwfile, "--auth=password",
			"--encoding=UTF8", "--no-sync", "--no-instructions",
		}, locale...)
		cmd := exec.Command(filepath.Join(bin, "initdb"), args...) //nolint:noctx,gosec // a program found on the machine, which ends by itself
		cmd.Dir, cmd.SysProcAttr = dir, user
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("initdb: %w\n%s", err, out)
		}
		return nil
	}
	// A collation that is not the order of bytes shows what depends on it.
	if err := initdb("--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en"); err != nil {
		if err := initdb("--locale=C"); err != nil {
			return nil, err
		}
	}
	for attempt := 1; ; attempt++ {
		err := s.run(bin, dir, data)
		if err == nil {
			return s, nil
		}
		// Somebody else may have taken the port meanwhile.
		if attempt == 3 {
			return nil, err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
}

// run starts the server on a free port and waits until it answers.
func (s *server) run(bin, dir, data string) error {
	var err error
	if s.port, err = freePort(); err != nil {
		return err
	}
	args := []string{"-c", supervise, "sh", dir, filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(s.port)}
	for _, setting := range []string{
		"listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200",
		// What is lost with the machine is of no use to anybody.
		"fsync=off", "synchronous_commit=off", "full_page_writes=off",
	} {
		args = append(args, "-c", setting)
	}
	s.cmd = exec.Command("sh", args...) //nolint:noctx,gosec // ended by stop
	s.cmd.Dir = dir
	if s.cmd.SysProcAttr, err = unprivileged(); err != nil {
		return err
	}
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	for deadline := time.Now().Add(time.Minute); ; {
		err := s.ping()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			return errors.Join(fmt.Errorf("PostgreSQL did not start: %w\n%s", err, log), s.stop())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (s *server) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// stop ends the server at once and removes its files.
func (s *server) stop() error {
	return errors.Join(s.stdin.Close(), s.cmd.Wait())
}

func (s *server) url(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword("unmask", s.password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// exec runs a statement in a session of its own.
func (s *server) exec(t testing.TB, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, statement)
	require.NoError(t, err)
}

func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // returns at once
	if err != nil {
		return 0, err
	}
	return ln.Addr().(*net.TCPAddr).Port, ln.Close()
}
