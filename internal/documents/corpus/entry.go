package corpus

import (
	"strings"

	"github.com/unmask-eval/unmask/internal/documents"
)

// Entry is a line of the index: what became of one document of the plan.
type Entry struct {
	// Index is the place in the plan, from 0.
	Index int `json:"index"`
	// Kept says that the document is in the corpus; the kept ones stand there in
	// the order of the index.
	Kept bool `json:"kept"`
	// Control says that it is about the unrelated facts.
	Control bool `json:"control"`
	// Type, Outlet, Viewpoint and Length are its plan.
	Type      string `json:"type"`
	Outlet    string `json:"outlet"`
	Viewpoint string `json:"viewpoint"`
	Length    string `json:"length"`
	// Facts are the planned ones, States all that it states.
	Facts  []string `json:"facts"`
	States []string `json:"states"`
	// Words as white space parts them.
	Words int `json:"words"`
	// Attempts counts drafts, Rejected has what was wrong with those turned down.
	Attempts int              `json:"attempts"`
	Rejected []documents.Code `json:"rejected"`
	// Digest is "sha256:" and that of the document's text; "" if it was dropped.
	Digest string          `json:"digest"`
	Usage  documents.Usage `json:"usage"`
}

func newEntry(r documents.Result) Entry {
	b := r.Brief
	e := Entry{
		Index: b.Index, Kept: r.Text != "", Control: b.Control, Type: b.Type.ID, Outlet: b.Outlet, Viewpoint: b.Viewpoint.ID, Length: b.Length.ID,
		Facts: []string{}, States: append([]string{}, r.States...), Words: len(strings.Fields(r.Text)), Attempts: r.Attempts, Rejected: []documents.Code{}, Usage: r.Usage,
	}
	for _, f := range b.Facts {
		e.Facts = append(e.Facts, f.ID)
	}
	for _, p := range r.Rejected {
		e.Rejected = append(e.Rejected, p.Code)
	}
	if e.Kept {
		e.Digest = digest([]byte(r.Text))
	}
	return e
}
