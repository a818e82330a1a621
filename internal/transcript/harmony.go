package transcript

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Markers of the harmony format, in which a reply is a row of messages, each
// on a channel: analysis (reasoning), final (answer) or commentary.
const (
	channelMark = "<|channel|>"
	messageMark = "<|message|>"
	startMark   = "<|start|>"
	// maxHeader bounds the header between two markers in bytes.
	maxHeader = 160
)

// aside is the name of every channel that holds neither reasoning nor answer.
var aside = &name{id: maxNames - 1, class: classAside, spelling: "commentary"}

// harmony reads the marker at src[i] and returns the offset behind it, or i if
// there is none.
func (s *scanner) harmony(i int) int {
	rest := s.src[i:]
	switch {
	case strings.HasPrefix(rest, channelMark):
		label, width := channelHeader(rest)
		if width == 0 {
			return i
		}
		s.leaveChannel(i, i, near)
		s.enterChannel(i, i+width, label)
		return i + width
	case strings.HasPrefix(rest, startMark):
		end := i + len(startMark)
		for end < len(s.src) && end-i < maxHeader && isWord(s.src[end]) {
			end++
		}
		s.leaveChannel(i, end, near)
		return end
	}
	for _, mark := range [...]string{"<|end|>", "<|return|>", "<|call|>"} {
		if strings.HasPrefix(rest, mark) {
			s.leaveChannel(i, i+len(mark), exact)
			return i + len(mark)
		}
	}
	return i
}

// channelHeader reads "<|channel|>label ...<|message|>" and returns the label
// and the width of the whole, or 0.
func channelHeader(rest string) (label string, width int) {
	head := rest[len(channelMark):min(len(rest), len(channelMark)+maxHeader)]
	n := strings.Index(head, messageMark)
	if n < 0 {
		return "", 0
	}
	fields := strings.FieldsFunc(head[:n], func(r rune) bool { return !unicode.IsLetter(r) })
	if len(fields) == 0 {
		return "", 0
	}
	return strings.ToLower(fields[0]), len(channelMark) + n + len(messageMark)
}

func (s *scanner) enterChannel(start, end int, label string) {
	n := aside
	switch label {
	case "analysis":
		n = families["analysis"]
	case "final":
		n = families["final"]
	}
	s.channel, s.channelOpen = n, true
	s.toks = append(s.toks, token{start: start, end: end, name: n, kind: opening})
}

// leaveChannel closes the open channel with src[start:end], or records that as
// noise if none is open.
func (s *scanner) leaveChannel(start, end int, l level) {
	t := noiseAt(start, end)
	if s.channelOpen {
		t.kind, t.name, t.level = closing, s.channel, l
		s.channelOpen = false
	}
	if t.kind == closing || end > start {
		s.toks = append(s.toks, t)
	}
}

// endChannels closes a final message at the end of the text: servers strip the
// marker that ended it.
func (s *scanner) endChannels() {
	if s.channelOpen && s.channel.class != classReasoning {
		s.leaveChannel(len(s.src), len(s.src), exact)
	}
}

// bareChannels finds a harmony reply of which a server has dropped the special
// tokens but kept the words beside them: "analysisThe user ... assistantfinalNo."
func (s *scanner) bareChannels() {
	const first, second = "analysis", "assistantfinal"
	if !strings.HasPrefix(s.src, first) {
		return
	}
	if r, _ := utf8.DecodeRuneInString(s.src[len(first):]); !unicode.IsUpper(r) {
		return
	}
	at := strings.Index(s.src, second)
	if at < 0 {
		return
	}
	r, f, n := families["analysis"], families["final"], len(s.src)
	s.toks = append(s.toks,
		token{end: len(first), name: r, kind: opening, level: foreign},
		token{start: at, end: at, name: r, kind: closing, level: foreign},
		token{start: at, end: at + len(second), name: f, kind: opening, level: foreign},
		token{start: n, end: n, name: f, kind: closing, level: foreign})
}
