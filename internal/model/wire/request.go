package wire

import (
	"strings"

	"github.com/unmask-eval/unmask/internal/model"
)

// Prefill reports whether a request ends with the beginning of its reply.
func Prefill(req model.Request) bool {
	n := len(req.Messages)
	return n > 0 && req.Messages[n-1].Role == "assistant"
}

// SplitSystem returns the system messages with which a request begins as one
// text, and the turns after them, for providers that keep both apart. It fails
// where a system message stands among the turns.
func SplitSystem(req model.Request) (system string, turns []model.Message, err error) {
	turns = req.Messages
	var b strings.Builder
	for len(turns) > 0 && turns[0].Role == "system" {
		Paragraph(&b, turns[0].Content)
		turns = turns[1:]
	}
	for _, m := range turns {
		if m.Role == "system" {
			return "", nil, Unsupported("messages", "system messages have to stand before all others")
		}
	}
	return b.String(), turns, nil
}
