// Package postgres starts a PostgreSQL server for the tests of a package: one
// that is installed on the machine, on a scratch directory and a socket in it,
// with a fresh database for each test. It is never a mock.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// Tests are the tests of a package that use a server.
type Tests struct{ m *testing.M }

// Main returns what TestMain runs: the tests, and after them the end of the
// server if one of them has started it.
func Main(m *testing.M) Tests { return Tests{m} }

// Run implements goleak.TestingM.
func (t Tests) Run() int {
	code := t.m.Run()
	shared.stop()
	return code
}

var (
	shared    server
	databases atomic.Int64
)

// Database returns the address of a new, empty database. The test is skipped when
// no server is installed.
func Database(t testing.TB) string {
	t.Helper()
	shared.once.Do(func() { shared.err = shared.start() })
	if shared.missing {
		t.Skip("no PostgreSQL server is installed (Debian: postgresql)")
	}
	require.NoError(t, shared.err)
	name := fmt.Sprintf("test_%d", databases.Add(1))
	conn, err := pgx.Connect(t.Context(), shared.address("postgres"))
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "CREATE DATABASE "+name)
	require.NoError(t, errors.Join(err, conn.Close(context.Background())))
	return shared.address(name)
}

// server is a PostgreSQL server of this process.
type server struct {
	once    sync.Once
	dir     string
	process *exec.Cmd
	missing bool
	err     error
}

func (s *server) address(database string) string {
	return fmt.Sprintf("host=%s user=unmask dbname=%s", s.dir, database)
}

func (s *server) start() error {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		s.missing = true
		return err
	}
	bin := filepath.Dir(found[len(found)-1])
	if s.dir, err = os.MkdirTemp("", "unmask-pg-"); err != nil {
		return err
	}
	as, err := unprivileged(s.dir)
	if err != nil {
		return err
	}
	data := filepath.Join(s.dir, "data")
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, name), args...) //nolint:gosec,noctx // outlives a test
		cmd.SysProcAttr, cmd.Dir = &syscall.SysProcAttr{Credential: as}, s.dir
		return cmd
	}
	if out, err := command("initdb", "--no-sync", "--auth=trust", "--username=unmask", "--pgdata="+data).CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	s.process = command("postgres", "-D", data, "-k", s.dir, "-F", "-c", "listen_addresses=")
	if err := s.process.Start(); err != nil {
		return err
	}
	for deadline := time.Now().Add(time.Minute); ; {
		conn, err := pgx.Connect(context.Background(), s.address("postgres"))
		if err == nil {
			return conn.Close(context.Background())
		}
		if time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// unprivileged returns whom the server runs as, and gives that user the directory:
// initdb refuses root.
func unprivileged(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil //nolint:nilnil // as whoever runs the tests
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, int(uid), int(gid)) //nolint:gosec // 32 bits
}

func (s *server) stop() {
	if s.process != nil && s.process.Process != nil {
		_ = s.process.Process.Signal(syscall.SIGINT)
		_ = s.process.Wait()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}
