package crash

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/testkit"
)

// TestAKilledCorpusEndsAsAnUndisturbedOne kills `unmask documents` in the middle,
// twice, and continues it.
func TestAKilledCorpusEndsAsAnUndisturbedOne(t *testing.T) {
	binary := testkit.Binary(t)
	args := []string{"documents", "--facts", "helpful-only", "--count", "2000", "--control-share", "0.1", "--seed", "5", "--out"}
	whole, killed := filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "killed")
	out, err := exec.CommandContext(t.Context(), binary, append(args, whole)...).CombinedOutput()
	require.NoError(t, err, "%s", out)

	kill := func(at string, args ...string) {
		cmd := exec.CommandContext(t.Context(), binary, args...)
		progress, err := cmd.StderrPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		seen := false
		for lines := bufio.NewScanner(progress); !seen && lines.Scan(); {
			seen = strings.HasPrefix(lines.Text(), at)
		}
		require.True(t, seen)
		require.NoError(t, cmd.Process.Kill())
		require.Error(t, cmd.Wait())
		require.NoFileExists(t, filepath.Join(killed, "manifest.json"))
	}
	kill("documents 400/", append(args, killed)...)
	kill("documents 1200/", "documents", "--out", killed, "--resume")
	out, err = exec.CommandContext(t.Context(), binary, "documents", "--out", killed, "--resume").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, name := range []string{"documents.jsonl", "index.jsonl", "manifest.json"} {
		want, err := os.ReadFile(filepath.Join(whole, name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(killed, name))
		require.NoError(t, err)
		require.True(t, string(want) == string(got), name)
	}
}
