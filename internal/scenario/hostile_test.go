package scenario

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// filled repeats a piece up to the largest document that is parsed at all.
func filled(before, piece, after string) string { return repeated(MaxBytes, before, piece, after) }

// long repeats a piece up to a megabyte, for what is refused after parsing.
func long(before, piece, after string) string { return repeated(1<<20, before, piece, after) }

func repeated(size int, before, piece, after string) string {
	return before + strings.Repeat(piece, (size-len(before)-len(after))/len(piece)) + after
}

// Documents that want to cost time or memory. Each must be refused, and the
// first problem must say for what. What they cost is in BenchmarkHostile; a
// limit that is lost shows here as a test that does not end.
var hostile = []struct{ name, document, want string }{
	{"aliases that explode", billionLaughs(), "anchors (&name) are not supported"},
	{"many aliases of one value", "a: &a [x]\nb: [" + strings.Repeat("*a,", 5000) + "]", "anchors (&name) are not supported"},
	{"alias of its own parent", "a: &a [*a]", "anchors (&name) are not supported"},
	{"lists in lists", strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "nests deeper than 16 levels"},
	{"mappings in mappings", strings.Repeat("{a: ", 5000) + strings.Repeat("}", 5000), "nests deeper than 16 levels"},
	{"more depth than YAML reads", strings.Repeat("[", 20_000), "exceeded max depth"},
	{"depth by indentation", indented(1500), "nests deeper than 16 levels"},
	{"list that is never closed", filled("", "[", ""), "more than 200000 values"},
	{"mapping that is never closed", filled("", "{a: ", ""), "more than 200000 values"},
	{"list of two million items", filled("[", "a,", "]"), "more than 200000 values"},
	{"lines of empty items", filled("", "-\n", ""), "more than 200000 values"},
	{"one field many times", filled("", "a: b\n", ""), "more than 200000 values"},
	{"many block scalars", filled("", "- |\n x\n", ""), "more than 200000 values"},
	{"many complex keys", filled("{", "? [a]: b,", "}"), "more than 200000 values"},
	{"many unknown fields", unknownFields(20_000), "unknown field"},
	{"comments alone", long("", "#\n", ""), "is empty"},
	{"empty lines", long("", "\n", ""), "is empty"},
	{"start of a document and no more", "---", "is empty"},
	{"many documents", strings.Repeat("--- a\n", 5000), "second document"},
	{"one long text", long(`"`, "a", `"`), "must be a mapping"},
	{"one long text that is never closed", long(`"`, "a", ""), "not valid YAML"},
	{"many escapes", long(`"`, `\n`, `"`), "must be a mapping"},
	{"one long plain text", long("", "a ", ""), "must be a mapping"},
	{"one long key", long("", "a", ": b"), "not valid YAML"},
	{"exclamation marks", long("", "!", ""), "tags (!name) are not supported"},
	{"title of a megabyte", long("format: unmask.scenario/v1\ntitle: ", "x", "\n"), "is required"},
	{"prompt of braces", "prompt:\n  user: |\n    " + strings.Repeat("{{", MaxPromptBytes/4), "is required"},
	{"prompt of variables", manyVariables(), "is required"},
	{"prompt that expands to gigabytes", expanding(), "its prompt has"},
	{"shared variables for many conditions", sharing(), "is required"},
	{"fragments that explode in the prompt", fragmentBomb(), "bytes with its fragments"},
	{"fragments that explode in every variant", variantBomb(), "in all conditions together"},
	{"variables that explode in every variant", variableBomb(), "in all conditions together"},
	{"many fragments", repeated(300_000, "id: x\nfragments:\n", "  a: b\n", ""), "stands twice"},
	{"fragments of many names", manyNames("fragments", "  f%d: x\n"), "at most 64 are allowed"},
	{"many variants", manyNames("variants", "- {id: v%d, factor: other}\n"), "at most 63 are allowed"},
	{"fragment of braces", "fragments:\n  a: |\n    " + strings.Repeat("{{", MaxPromptBytes/4) + "\nprompt: {user: \"{{>a}}\"}\n", "must open a variable"},
	{"fragment of fragments", "fragments:\n  a: |\n    " + strings.Repeat("{{>a}}", MaxPromptBytes/8) + "\nprompt: {user: \"{{>a}}\"}\n", "no other fragment"},
	{"prompt of fragments", "fragments: {a: \"\"}\nprompt:\n  user: |\n    " + strings.Repeat("{{>a}}", MaxPromptBytes/8), "more than 256 times"},
	{"prompt of fragments that there are not", "prompt:\n  user: |\n    " + strings.Repeat("{{>b}}", MaxPromptBytes/8), "there is no fragment"},
	{"variants with prompts of fragments", variantsOfFragments(), "more than 256 times"},
	{"includes that there are not", "include: [" + strings.Repeat("a.yaml, ", 50_000) + "b.yaml]\n", "cannot be read here"},
	{"queries with damaged text", manyQueries("\ufffd"), "is required"},
}

func billionLaughs() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9))
	}
	return b.String()
}

func indented(depth int) string {
	var b strings.Builder
	for i := range depth {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func unknownFields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "titl%d: x\n", i)
	}
	return b.String()
}

func manyVariables() string {
	var b strings.Builder
	b.WriteString("prompt:\n  user: \"")
	for i := 0; b.Len() < MaxPromptBytes; i++ {
		fmt.Fprintf(&b, "{{v%d}}", i)
	}
	return b.String() + "\"\nconditions:\n" + manyConditions(MaxConditions)
}

func manyConditions(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "- {id: %s%d, role: other}\n", strings.Repeat("a", 50), i)
	}
	return b.String()
}

// expanding is right but for its size: each of its conditions would render to
// more than a gigabyte.
func expanding() string {
	companies := strings.Repeat("{{company}}", MaxPromptBytes/2/len("{{company}}"))
	return strings.NewReplacer("Made by {{company}}.", companies, "Example", strings.Repeat("x", MaxPromptBytes)).Replace(base)
}

// fragmentBomb asks for 128 megabytes in one prompt.
func fragmentBomb() string {
	return strings.NewReplacer("Use <THINK>.", "Use <THINK> "+strings.Repeat("x", MaxPromptBytes-100), "    {{>rules}}\n", "    "+strings.Repeat("{{>rules}}", MaxFragmentUses-1)+"\n").Replace(family)
}

// variantBomb is valid but for its size: 63 variants of half a megabyte each.
func variantBomb() string {
	var b strings.Builder
	for i := range MaxVariants - 4 {
		fmt.Fprintf(&b, "  - {id: v%d, factor: other, fragments: {suffix: %d}}\n", i, i)
	}
	return strings.NewReplacer("Example: one and one is two.", strings.Repeat("x", MaxPromptBytes-200), "variants:\n", "variants:\n"+strings.ReplaceAll(b.String(), "suffix: ", "suffix: v")).Replace(family)
}

// variableBomb sets one long variable in 32 conditions of 63 variants.
func variableBomb() string {
	var conditions, variants strings.Builder
	for i := range MaxConditions - 2 {
		fmt.Fprintf(&conditions, "  - {id: c%d, role: other, variables: {tier: t%d, region: r}}\n", i, i)
	}
	for i := range MaxVariants - 4 {
		fmt.Fprintf(&variants, "  - {id: v%d, factor: other, fragments: {suffix: v%d}}\n", i, i)
	}
	return strings.NewReplacer("company: Example", "company: "+strings.Repeat("x", MaxPromptBytes-200),
		"contrasts:\n", conditions.String()+"contrasts:\n", "variants:\n", "variants:\n"+variants.String()).Replace(family)
}

func manyNames(field, line string) string {
	var b strings.Builder
	b.WriteString("id: x\n" + field + ":\n")
	for i := range 20_000 {
		fmt.Fprintf(&b, line, i)
	}
	return b.String()
}

func variantsOfFragments() string {
	var b strings.Builder
	b.WriteString("fragments: {a: \"\"}\nprompt: {user: \"{{query}}\"}\nvariants:\n")
	for i := range MaxVariants {
		fmt.Fprintf(&b, "- {id: v%d, factor: other, prompt: {user: \"%s\"}}\n", i, strings.Repeat("{{>a}}", 1_000))
	}
	return b.String()
}

func sharing() string {
	var b strings.Builder
	b.WriteString("variables:\n")
	for i := range 40_000 {
		fmt.Fprintf(&b, "  v%d: x\n", i)
	}
	return b.String() + "conditions:\n" + manyConditions(10_000)
}

func manyQueries(piece string) string {
	var b strings.Builder
	b.WriteString("queries:\n")
	for i := range 3_000 {
		fmt.Fprintf(&b, "- {id: q%d, category: c, text: a%d %s b%d one two three four five six seven}\n", i, i, piece, i)
	}
	return b.String()
}

func TestLoadRefusesHostileDocuments(t *testing.T) {
	for _, tt := range hostile {
		t.Run(tt.name, func(t *testing.T) {
			require.LessOrEqual(t, len(tt.document), MaxBytes)
			_, err := Load("f.yaml", []byte(tt.document))
			var problems *Error
			require.ErrorAs(t, err, &problems)
			require.Contains(t, err.Error(), tt.want)
			require.LessOrEqual(t, len(problems.Problems), MaxProblems)
			require.Less(t, len(err.Error()), 256<<10, "the error is bounded too")
		})
	}
}

func TestLoadRefusesHostileQueryFiles(t *testing.T) {
	var fields strings.Builder
	fields.WriteString("{")
	for i := 0; fields.Len() < MaxBytes-100; i++ {
		fmt.Fprintf(&fields, `"a%d":1,`, i)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"lists in lists", filled(`{"id":`, "[", ""), "must be a text"},
		{"objects in objects", filled("", `{"a":`, ""), "unknown field"},
		{"a line of unknown fields", fields.String(), "unknown field"},
		{"a text that is never closed", long(`{"id":"`, "a", ""), "the line ends before the object does"},
		{"a text of a megabyte", long(`{"id":"q","category":"c","text":"`, "a", `"}`), "at most 32768 are allowed"},
		{"empty lines", filled("", "\n", ""), "needs at least 1"},
		{"a line for each byte", long("", "0\n", ""), "must be one JSON object"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := LoadFS(fstest.MapFS{"f.yaml": {Data: []byte(withFiles("[a.jsonl]"))}, "a.jsonl": {Data: []byte(tt.text)}}, "f.yaml")
			var problems *Error
			require.ErrorAs(t, err, &problems)
			require.Contains(t, err.Error(), tt.want)
		})
	}
}

func TestLoadRefusesWhatIsTooLarge(t *testing.T) {
	large := make([]byte, 100<<20) // never looked at
	_, err := Load("f.yaml", large)
	require.EqualError(t, err, "f.yaml: is larger than 4194304 bytes")

	_, err = LoadFS(fstest.MapFS{"f.yaml": {Data: large}}, "f.yaml")
	require.EqualError(t, err, "f.yaml: is larger than 4194304 bytes")

	_, err = LoadFS(fstest.MapFS{"f.yaml": {Data: []byte(withFiles("[a.jsonl]"))}, "a.jsonl": {Data: large}}, "f.yaml")
	require.EqualError(t, err, "a.jsonl: is larger than 4194304 bytes")
}

func TestErrorsHoldNoText(t *testing.T) {
	const marker = "zq secret marker qz"
	for _, document := range []string{
		strings.Replace(base, "Name a colour.", "How do I fool a bank? {{"+marker, 1) + "    " + marker + ": 1\n",
		strings.Replace(base, "id: base", "id: "+marker, 1),
		strings.Replace(base, "role: unmonitored", "role: "+marker, 1),
		strings.Replace(base, "training: free", "training: "+marker, 1),
		strings.Replace(base, "Use <THINK>.", "Use {{"+marker+"}} {{.", 1),
		strings.Replace(base, "text: Name a colour.", `text: "`+marker, 1),
		strings.Replace(base, "text: Name a colour.", "text: *"+strings.ReplaceAll(marker, " ", "-"), 1),
		strings.Replace(base, "mode: hidden", `mode: "`+marker+`\x00"`, 1),
	} {
		_, err := Load("f.yaml", []byte(document))
		require.Error(t, err)
		require.NotContains(t, err.Error(), "secret")
	}
}

// The error lists what fits on a screen or two and counts the rest.
func TestErrorCountsWhatItLeavesOut(t *testing.T) {
	_, err := Load("f.yaml", []byte(unknownFields(MaxProblems+50)))
	var problems *Error
	require.ErrorAs(t, err, &problems)
	require.Len(t, problems.Problems, MaxProblems)
	require.Positive(t, problems.Omitted)
	require.Contains(t, err.Error(), fmt.Sprintf("and %d more problems", problems.Omitted))
}
