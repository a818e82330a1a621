package wire

import (
	"bytes"
	"iter"
)

// Event is one server-sent event.
type Event struct {
	// Name is its type, or "" where it has none.
	Name string
	// Data is what it carries, without the breaks of its lines at the end.
	Data []byte
}

// Events reads a whole stream of server-sent events by the rules of the HTML
// standard: comments, unknown fields and events without data are passed over.
// One liberty is taken: a last event that lacks its empty line counts, because
// some servers leave it out; where it was cut, its data tell.
func Events(stream []byte) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		var e Event
		has := false
		stream = bytes.TrimPrefix(stream, []byte("\xef\xbb\xbf"))
		for len(stream) > 0 {
			var line []byte
			line, stream = cutLine(stream)
			if len(line) == 0 {
				if has && !yield(e) {
					return
				}
				e, has = Event{}, false
				continue
			}
			name, value, _ := bytes.Cut(line, []byte(":"))
			value = bytes.TrimPrefix(value, []byte(" "))
			switch string(name) {
			case "event":
				e.Name = string(value)
			case "data":
				if has {
					e.Data = append(e.Data, '\n')
				}
				e.Data = append(e.Data, value...)
				has = true
			}
		}
		if has {
			yield(e)
		}
	}
}

// cutLine splits off the first line; CR, LF and CRLF end one.
func cutLine(s []byte) (line, rest []byte) {
	end := bytes.IndexAny(s, "\r\n")
	if end < 0 {
		return s, nil
	}
	line, rest = s[:end], s[end+1:]
	if s[end] == '\r' && len(rest) > 0 && rest[0] == '\n' {
		rest = rest[1:]
	}
	return line, rest
}

// Done reports whether data are the mark with which streams of the OpenAI
// family end.
func Done(data []byte) bool { return string(bytes.TrimSpace(data)) == "[DONE]" }
