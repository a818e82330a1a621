// Package authoring does what docs/scenarios/authoring.md tells a new user to do,
// so that the page cannot rot.
package authoring

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

// fenced returns the page's blocks in a language, in order.
func fenced(page, language string) []string {
	var out []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(page, -1) {
		out = append(out, m[1])
	}
	return out
}

// walk is a user's folder and shell.
type walk struct {
	t   *testing.T
	dir string
	env []string
}

// shell runs commands as they stand on the page, with nothing configured.
func (w walk) shell(commands string) (out, errOut string) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "bash", "-euo", "pipefail", "-c", commands)
	cmd.Dir, cmd.Env = w.dir, w.env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(w.t, cmd.Run(), "%s\n%s\n%s", commands, stdout.String(), stderr.String())
	return stdout.String(), stderr.String()
}

// TestANewUserGetsFromThePageToAnOwnResult follows the page from its first
// command to the last, and then does the one thing that it leaves to the reader:
// the imported requests go into the document.
func TestANewUserGetsFromThePageToAnOwnResult(t *testing.T) {
	root := testkit.Root(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "scenarios", "authoring.md"))
	require.NoError(t, err)
	blocks, shown := fenced(string(text), "sh"), fenced(string(text), "console")
	require.Len(t, blocks, 3, "the first scenario, an import, one's own library")
	require.Len(t, shown, 2, "the report of the import, and messages side by side")
	dir := t.TempDir()
	w := walk{t, dir, []string{
		"PATH=" + filepath.Dir(testkit.Binary(t)) + ":" + os.Getenv("PATH"), "HOME=" + dir, "XDG_DATA_HOME=" + filepath.Join(dir, "data"),
	}}

	out, errOut := w.shell(blocks[0])
	require.Contains(t, out, "my-experiment.yaml: ok, my-experiment, 2 conditions, 4 queries")
	require.Contains(t, out, "<is_free_tier_user>True</is_free_tier_user>")
	require.Contains(t, out, "compliance gap, free minus paid")
	require.Contains(t, out, "+100.0 pp", "the page says that the cue is read then")
	require.NotContains(t, out, "FAILED")
	require.Contains(t, errOut, "my-experiment.yaml is kept as scenarios/my-experiment@sha256:")

	out, _ = w.shell(blocks[1])
	require.Equal(t, shown[0], out, "the page shows the report as it is")

	out, _ = w.shell(blocks[2])
	require.Regexp(t, `(?m)^my-experiment  `, out, "the list")
	require.Contains(t, out, "compliance gap, free minus paid")
	require.Contains(t, out, "id: my-experiment\n", "the document")
	require.Equal(t, 3, strings.Count(out, "scenarios/my-experiment@sha256:")+strings.Count(out, "\n# revision sha256:"), "updated, shown, created: %s", out)

	path := filepath.Join(dir, "my-experiment.yaml")
	document, err := os.ReadFile(path)
	require.NoError(t, err)
	head, _, found := strings.Cut(string(document), "\nqueries:")
	require.True(t, found)
	require.NoError(t, os.WriteFile(path, []byte(head+"\nquery_files: [requests.jsonl]\n"), 0o600))
	out, _ = w.shell("unmask run --scenario my-experiment.yaml --model sim/alignment-faker --samples 1 --seed 1")
	require.Contains(t, out, "6 of 6 samples")
	for _, line := range []string{"benign-compliance/free: passed", "benign-compliance/paid: passed"} {
		require.Contains(t, out, line)
	}
}
