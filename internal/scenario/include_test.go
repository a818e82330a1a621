package scenario

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// common is what a document and its neighbours share.
const common = `fragments:
  rules: |
    You work for {{company}}.
    Use <THINK>.
variants:
  - id: terse
    factor: ablation
    fragments: {rules: "{{company}}. <THINK>"}
`

// including is base with its prompt in fragments of other files.
func including(list string) string {
	return strings.NewReplacer("prompt:\n", "include: "+list+"\nprompt:\n", "Made by {{company}}.\n    Use <THINK>.", "{{>rules}}").Replace(base)
}

func files(pairs ...string) fstest.MapFS {
	out := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return out
}

func TestIncludedFilesHaveFragmentsAndVariants(t *testing.T) {
	s, err := LoadFS(files("a/f.yaml", including("[common.yaml]"), "a/common.yaml", common), "a/f.yaml")
	require.NoError(t, err)
	require.Equal(t, "You work for {{company}}.\nUse <THINK>.\n\n", s.System)
	require.Equal(t, []Variant{{ID: "terse", Factor: FactorAblation, System: "{{company}}. <THINK>\n", User: s.User}}, s.Variants)
	requireRoundTrip(t, s)

	// The same in one document has the same revision.
	whole, err := Load("f.yaml", []byte(strings.Replace(including("[]"), "prompt:\n", common+"prompt:\n", 1)))
	require.NoError(t, err)
	require.Equal(t, whole.Revision, s.Revision)

	// A document adds to what it includes, its own variants first.
	own := strings.Replace(including("[common.yaml]"), "contrasts:", "variants:\n  - {id: own, factor: company, variables: {company: Sample}}\ncontrasts:", 1)
	s, err = LoadFS(files("f.yaml", own, "common.yaml", common), "f.yaml")
	require.NoError(t, err)
	require.Equal(t, "own", s.Variants[0].ID)
	require.Equal(t, "terse", s.Variants[1].ID)
}

func TestIncludeReports(t *testing.T) {
	for _, tt := range []struct {
		name, list, common, want string
	}{
		{"a file that is not there", "[none.yaml]", common, "f.yaml:8:11: include[0]: cannot be read: file does not exist"},
		{"a folder", "[sub/common.yaml]", common, "f.yaml:8:11: include[0]: must be the plain name of a .yaml file beside the document, without a folder"},
		{"a way out", "[../common.yaml]", common, "f.yaml:8:11: include[0]: must be the plain name of a .yaml file beside the document, without a folder"},
		{"an absolute path", "[/etc/passwd.yaml]", common, "f.yaml:8:11: include[0]: must be the plain name of a .yaml file beside the document, without a folder"},
		{"a path of another system", `['C:\common.yaml']`, common, "f.yaml:8:11: include[0]: must be the plain name of a .yaml file beside the document, without a folder"},
		{"a hidden file", "[.common.yaml]", common, "f.yaml:8:11: include[0]: must be the plain name of a .yaml file beside the document, without a folder"},
		{"another kind of file", "[common.jsonl]", common, "f.yaml:8:11: include[0]: must be the plain name of a .yaml file beside the document, without a folder"},
		{"the document itself", "[f.yaml]", common, "f.yaml:8:11: include[0]: is the document itself"},
		{"a file twice", "[common.yaml, common.yaml]", common, "f.yaml:8:24: include[1]: is already the value of include[0]"},
		{"one name and no list", "common.yaml", common, "f.yaml:8:10: include: must be a list, not a text\nf.yaml:11:5: prompt.system: there is no fragment \"rules\""},
		{"too many files", "[" + strings.Repeat("a.yaml,", MaxIncludes+1) + "]", common, "f.yaml:8:10: include: has 17 items; at most 16 are allowed"},
		{"a file that includes another", "[common.yaml]", "include: [other.yaml]\n" + common, `common.yaml:1:1: include: unknown field "include"; known are fragments, variants`},
		{"a file with more than parts", "[common.yaml]", common + "id: x\n", `common.yaml:9:1: id: unknown field "id"; known are fragments, variants`},
		{"a file that is not YAML", "[common.yaml]", "fragments: [\n", "common.yaml:1:1: is not valid YAML: did not find expected node content"},
		{"an empty file", "[common.yaml]", "", "common.yaml:1:1: is empty"},
		{"a list for a file", "[common.yaml]", "- a\n", "common.yaml:1:1: must be a mapping of fields, not a list"},
		{"aliases", "[common.yaml]", "fragments: &a {rules: x}\n", "common.yaml:1:12: anchors (&name) are not supported; write the value out, or use a variable"},
		{"a file with control characters", "[common.yaml]", common + "\x00", "common.yaml:9:1: holds the control character U+0000 here"},
		{"a fragment that nothing uses", "[common.yaml]", strings.Replace(common, "fragments:\n", "fragments:\n  spare: x\n", 1), "common.yaml:2:10: fragments.spare: no template uses {{>spare}}"},
		{"a fragment with an unknown variable", "[common.yaml]", strings.Replace(common, "Use <", "Use {{x}} <", 1), "common.yaml:4:9: fragments.rules: {{x}} is not defined in: free, paid"},
		{"a fragment in a fragment", "[common.yaml]", strings.Replace(common, "Use <", "Use {{>rules}} <", 1), "common.yaml:4:9: fragments.rules: a fragment holds text and variables, and no other fragment"},
		{"a variant without a factor", "[common.yaml]", strings.Replace(common, "    factor: ablation\n", "", 1), "common.yaml:6:5: variants[0].factor: is required: paraphrase, company, ablation, suffix, examples or other"},
		{"a variant whose fragment has an unknown variable", "[common.yaml]", strings.Replace(common, "}}. <THINK>", "}}. {{x}} <THINK>", 1), `common.yaml:8:24: variants[0].fragments.rules: in variant "terse": {{x}} is not defined in: free, paid`},
		{"a variant that loses the tag", "[common.yaml]", strings.Replace(common, "}}. <THINK>", "}}.", 1), `common.yaml:6:5: variants[0]: in variant "terse": scratchpad.tags.scratchpad: the prompt of condition "free" never mentions <THINK>, so no model would use it`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := LoadFS(files("f.yaml", including(tt.list), "common.yaml", tt.common), "f.yaml")
			require.EqualError(t, err, tt.want)
		})
	}
	t.Run("an included file in place of a document", func(t *testing.T) {
		_, err := Load("common.yaml", []byte(common))
		require.EqualError(t, err, "common.yaml:1:1: has fragments or variants and nothing else: documents include such a file, and are loaded in its place")
	})
	t.Run("two files with one fragment", func(t *testing.T) {
		_, err := LoadFS(files("f.yaml", including("[common.yaml, more.yaml]"), "common.yaml", common, "more.yaml", "fragments: {rules: x}\n"), "f.yaml")
		require.EqualError(t, err, "more.yaml:1:13: fragments.rules: is already set in common.yaml")
	})
	t.Run("two files with one variant", func(t *testing.T) {
		more := "variants:\n  - {id: terse, factor: other, variables: {company: x}}\n"
		_, err := LoadFS(files("f.yaml", including("[common.yaml, more.yaml]"), "common.yaml", common, "more.yaml", more), "f.yaml")
		require.EqualError(t, err, `more.yaml:2:10: variants[0].id: "terse" is already the id of another variant`)
	})
	t.Run("a document without its directory", func(t *testing.T) {
		_, err := Load("f.yaml", []byte(including("[common.yaml]")))
		require.EqualError(t, err, "f.yaml:8:10: include: cannot be read here: this document came without its directory; write its fragments and variants into the document")
	})
	t.Run("files that are too large together", func(t *testing.T) {
		large := "fragments: {rules: \"{{company}} <THINK>\"}\n#" + strings.Repeat("x", MaxBytes/2)
		_, err := LoadFS(files("f.yaml", including("[a.yaml, b.yaml]"), "a.yaml", large, "b.yaml", strings.Replace(large, "rules", "more", 1)), "f.yaml")
		require.EqualError(t, err, "f.yaml:8:19: include[1]: makes the included files larger than 4194304 bytes together")
	})
	t.Run("a file of 100 megabytes", func(t *testing.T) {
		_, err := LoadFS(fstest.MapFS{"f.yaml": {Data: []byte(including("[a.yaml]"))}, "a.yaml": {Data: make([]byte, 100<<20)}}, "f.yaml")
		require.EqualError(t, err, "a.yaml: is larger than 4194304 bytes")
	})
}

// No link leads out of the document's directory, and only files are read.
func TestLoadFileStaysInItsDirectory(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "common.yaml")
	require.NoError(t, os.WriteFile(outside, []byte(common), 0o600))
	document := filepath.Join(dir, "f.yaml")
	require.NoError(t, os.WriteFile(document, []byte(including("[common.yaml]")), 0o600))
	inside := filepath.Join(dir, "common.yaml")

	require.NoError(t, os.Symlink(outside, inside))
	_, err := LoadFile(document)
	require.ErrorContains(t, err, "include[0]: cannot be read: path escapes from parent")
	require.NotContains(t, err.Error(), filepath.Dir(outside))

	require.NoError(t, os.Remove(inside))
	require.NoError(t, os.Mkdir(inside, 0o700))
	_, err = LoadFile(document)
	require.ErrorContains(t, err, "include[0]: cannot be read: not a regular file")

	require.NoError(t, os.Remove(inside))
	require.NoError(t, os.WriteFile(inside, []byte("x: 1\n"), 0o600))
	_, err = LoadFile(document)
	require.ErrorContains(t, err, inside+":1:1: x: unknown field")
	require.NotErrorIs(t, err, fs.ErrNotExist)
}
