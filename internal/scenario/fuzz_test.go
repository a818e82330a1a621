package scenario

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// FuzzLoad feeds the loader anything. A document is either refused with
// bounded problems at places that exist, or is a scenario that renders and is
// read back to the same revision from both of its encodings.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(base))
	f.Add([]byte(family))
	f.Add([]byte(strings.ReplaceAll(base, "\n", "\r\n")))
	for _, s := range library(f).List() {
		short := *s // the fuzzer is slow to shrink what is long
		short.Queries = short.Queries[:2]
		document, err := short.YAML()
		require.NoError(f, err)
		f.Add(document)
		content, err := short.JSON()
		require.NoError(f, err)
		f.Add(content)
	}
	for _, h := range hostile {
		if len(h.document) < 4<<10 {
			f.Add([]byte(h.document))
		}
	}
	f.Add([]byte(strings.Replace(base, "Use <THINK>.", "Use\n\n     <THINK> \n\t{{tier}}  \n\n", 1)))
	f.Add([]byte(strings.Replace(base, "title: A base", "title: >-\n  folded\n\n   and kept", 1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Load("f.yaml", data)
		if err != nil {
			requireSound(t, err, data)
			return
		}
		requireRoundTrip(t, s)
		for _, v := range s.Variants {
			derived, err := s.Variant(v.ID)
			require.NoError(t, err)
			requireRoundTrip(t, derived)
		}
		for _, c := range s.Conditions {
			messages, err := s.Render(c.ID, s.Queries[0].ID)
			require.NoError(t, err)
			require.Contains(t, messages[len(messages)-1].Content, s.Queries[0].Text)
		}
	})
}

// FuzzQueryFile feeds the reader of query files anything.
func FuzzQueryFile(f *testing.F) {
	f.Add([]byte(twoQueries))
	f.Add([]byte(`{"id":"q1","id":1,"x":[{}],"text":"\ud83d"}`))
	f.Add([]byte("{\"id\":\n"))
	document := []byte(withFiles("[a.jsonl]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := LoadFS(fstest.MapFS{"f.yaml": {Data: document}, "a.jsonl": {Data: data}}, "f.yaml")
		if err != nil {
			requireSound(t, err, append(document, data...))
			return
		}
		requireRoundTrip(t, s)
	})
}

// FuzzInclude feeds the reader of included files anything.
func FuzzInclude(f *testing.F) {
	f.Add([]byte(common))
	f.Add([]byte("fragments: {rules: \"{{>rules}} {{company}}\"}\n"))
	f.Add([]byte("include: [a.yaml]\nvariants: [{id: x}]\n"))
	document := []byte(including("[a.yaml]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := LoadFS(fstest.MapFS{"f.yaml": {Data: document}, "a.yaml": {Data: data}}, "f.yaml")
		if err != nil {
			requireSound(t, err, append(append(document[:len(document):len(document)], '\n'), data...))
			return
		}
		requireRoundTrip(t, s)
	})
}

func requireSound(t *testing.T, err error, data []byte) {
	t.Helper()
	var problems *Error
	require.True(t, errors.As(err, &problems), "%v", err)
	require.NotEmpty(t, problems.Problems)
	require.LessOrEqual(t, len(problems.Problems), MaxProblems)
	lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") +
		strings.Count(string(data), "\u0085") + strings.Count(string(data), "\u2028") + strings.Count(string(data), "\u2029")
	for _, p := range problems.Problems {
		require.NotEmpty(t, p.Message)
		require.LessOrEqual(t, p.Line, lines+1)
		require.LessOrEqual(t, p.Column, len(data)+2)
	}
}
