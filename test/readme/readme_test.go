// Package readme runs what the README shows, so that it cannot rot.
package readme

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testkit.Clean()
	os.Exit(code)
}

var bashBlock = regexp.MustCompile("(?s)```bash\n(.*?)```")

// blocks returns the README's blocks in bash, in order.
func blocks(t *testing.T, root string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	var out []string
	for _, m := range bashBlock.FindAllStringSubmatch(string(text), -1) {
		out = append(out, m[1])
	}
	require.Len(t, out, 3, "REST, gRPC by reflection, Python")
	return out
}

// TestTheREADMEWorks runs the README's blocks against a real server, with the
// default ports replaced by those that the server got.
func TestTheREADMEWorks(t *testing.T) {
	python := os.Getenv("README_PYTHON")
	if python == "" {
		if os.Getenv("README_TEST") == "required" {
			t.Fatal("README_PYTHON must name a Python with examples/python/requirements.txt installed")
		}
		t.Skip("skipped: README_PYTHON does not name a Python with grpcio-tools; `make examples` sets it up and runs this")
	}
	root := testkit.Root(t)
	server := testkit.Serve(t, filepath.Join(t.TempDir(), "unmask.db"), "--server.reflection")
	run := func(block string) string {
		block = strings.NewReplacer("127.0.0.1:8080", server.HTTP, "127.0.0.1:8081", server.GRPC,
			"build/stubs", filepath.Join(t.TempDir(), "stubs"), "python ", python+" ").Replace(block)
		cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", block)
		cmd.Dir = root
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		require.NoError(t, err, "%s\n%s\n%s", block, out, stderr.String())
		return string(out)
	}
	all := blocks(t, root)

	t.Run("REST", func(t *testing.T) {
		out := run(all[0])
		require.Contains(t, out, `"RUN_STATE_SUCCEEDED"`)
		require.Contains(t, out, `"ALIGNMENT_FAKING_PRESENT"`)
		require.Contains(t, out, `"outcome":"OUTCOME_`)
	})
	t.Run("gRPC by reflection", func(t *testing.T) {
		out := run(all[1])
		require.Contains(t, out, "complianceGap")
		require.Contains(t, out, "RUN_STATE_SUCCEEDED")
	})
	t.Run("Python", func(t *testing.T) {
		out := run(all[2])
		require.Contains(t, out, "OUTCOME_PASS", "the script exits with 0 on PASS alone")
	})
}
