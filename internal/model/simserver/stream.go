package simserver

import (
	"encoding/json"
	"io"
	"net/http"
	"unicode/utf8"

	"github.com/unmask-eval/unmask/internal/model"
)

// chunkBytes is about how much text one event of a stream carries.
const chunkBytes = 48

// stream sends a reply as server-sent events: the role, the reasoning, the
// text in pieces, the finish reason, the usage if asked for, and [DONE].
func stream(w http.ResponseWriter, c completion, reply model.Reply, withUsage bool) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	c.Object = "chat.completion.chunk"
	whole := message(reply)
	first := *whole
	empty := ""
	first.Content, first.ReasoningContent = &empty, ""
	if !send(w, c, choice{Delta: &first}) {
		return
	}
	for _, piece := range pieces(whole.ReasoningContent) {
		if !send(w, c, choice{Delta: &wireMessage{ReasoningContent: piece}}) {
			return
		}
	}
	for _, piece := range pieces(reply.Raw) {
		if !send(w, c, choice{Delta: &wireMessage{Content: &piece}}) {
			return
		}
	}
	if !send(w, c, choice{Delta: &wireMessage{}, FinishReason: finish(reply)}) {
		return
	}
	if withUsage {
		c.Usage = usage(reply)
		if !send(w, c) {
			return
		}
	}
	_, _ = io.WriteString(w, "data: [DONE]\n\n") // a client that is gone needs no answer
}

// send writes one event and reports whether the client still listens.
func send(w http.ResponseWriter, c completion, choices ...choice) bool {
	c.Choices = append([]choice{}, choices...) // never null
	raw, err := json.Marshal(c)
	if err != nil { // the values are all of this package and can be written
		return false
	}
	if _, err := w.Write(append(append([]byte("data: "), raw...), "\n\n"...)); err != nil {
		return false
	}
	return http.NewResponseController(w).Flush() == nil
}

// pieces splits text into chunks at character boundaries.
func pieces(s string) []string {
	var out []string
	for len(s) > chunkBytes {
		end := chunkBytes
		for end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		if end == 0 { // no character is that long: the bytes are not UTF-8
			end = chunkBytes
		}
		out = append(out, s[:end])
		s = s[end:]
	}
	if s != "" {
		out = append(out, s)
	}
	return out
}
