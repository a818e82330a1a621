package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/unmask-eval/unmask/internal/documents/corpus"
	"github.com/unmask-eval/unmask/internal/terminal"
)

// writeManifest prints a corpus for people.
func writeManifest(w io.Writer, dir string, m *corpus.Manifest) {
	s := m.Settings
	by := s.Writer.Kind
	if s.Writer.Model != "" {
		by += " " + s.Writer.Model
	}
	fmt.Fprintf(w, "%d of %d documents in %s, written by %s, seed %d\n\n", m.Kept, m.Planned, terminal.Safe(dir), terminal.Safe(by), s.Seed)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "facts\t%s, revision %s\n", terminal.Safe(s.Facts.ID), shortDigest(s.Facts.Revision))
	if s.Control.ID != "" {
		fmt.Fprintf(t, "control documents\t%d\n", m.Control)
	}
	fmt.Fprintf(t, "words\t%d\n", m.Words)
	fmt.Fprintf(t, "rewritten, dropped\t%d, %d\n", m.Rewritten, m.Dropped)
	if len(m.Rejected) > 0 {
		fmt.Fprintf(t, "drafts turned down for\t%s\n", rejections(m))
	}
	if u := m.Usage; u.Calls > 0 {
		fmt.Fprintf(t, "calls; tokens in, out\t%d; %d, %d\n", u.Calls, u.InputTokens, u.OutputTokens)
		if u.Price != nil {
			fmt.Fprintf(t, "price\t%.2f\n", *u.Price)
		}
	}
	for _, f := range m.Files {
		fmt.Fprintf(t, "%s\t%d lines, %d bytes, %s\n", f.Name, f.Lines, f.Bytes, shortDigest(f.Digest))
	}
	fmt.Fprintln(t, "\nFACT\tDOCUMENTS THAT STATE IT")
	for _, counts := range []map[string]int{m.Facts, m.ControlFacts} {
		for _, id := range slices.Sorted(maps.Keys(counts)) {
			fmt.Fprintf(t, "%s\t%d\n", terminal.Safe(id), counts[id])
		}
	}
	_ = t.Flush() // into a buffer
	for _, id := range slices.Sorted(maps.Keys(m.Facts)) {
		if m.Facts[id] == 0 {
			fmt.Fprintf(w, "\nnote: no document states fact %s\n", terminal.Safe(id))
		}
	}
	if m.Dropped > 0 {
		fmt.Fprintf(w, "\nnote: %d documents are missing, because none of their drafts passed\n", m.Dropped)
	}
}

// rejections lists what drafts were turned down for.
func rejections(m *corpus.Manifest) string {
	var parts []string
	for _, code := range slices.Sorted(maps.Keys(m.Rejected)) {
		parts = append(parts, fmt.Sprintf("%s %d", code, m.Rejected[code]))
	}
	return strings.Join(parts, ", ")
}
