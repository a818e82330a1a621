package documents

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Shape is the form of a line that a fine-tuning tool reads.
type Shape string

// The shapes.
const (
	// ShapeText is {"text": document}.
	ShapeText Shape = "text"
	// ShapeChat is {"messages": [a request by the user, the document by the assistant]}.
	ShapeChat Shape = "chat"
)

// Valid reports a known shape.
func (s Shape) Valid() bool { return s == ShapeText || s == ShapeChat }

type textLine struct {
	Text string `json:"text"`
}

type chatLine struct {
	Messages []chatMessage `json:"messages"`
}

type chatMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Line returns the document of a result as one line of JSON, with its end.
func (s Shape) Line(r Result) ([]byte, error) {
	var v any = textLine{r.Text}
	if s == ShapeChat {
		v = chatLine{[]chatMessage{{"user", request(r.Brief)}, {"assistant", r.Text}}}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("write document %d: %w", r.Brief.Index, err)
	}
	return b.Bytes(), nil
}

// Read returns the document of a line.
func (s Shape) Read(line []byte) (string, error) {
	if s == ShapeText {
		var l textLine
		if err := json.Unmarshal(line, &l); err != nil || l.Text == "" {
			return "", errors.New("is no document")
		}
		return l.Text, nil
	}
	var l chatLine
	if err := json.Unmarshal(line, &l); err != nil || len(l.Messages) != 2 || l.Messages[1].Content == "" {
		return "", errors.New("is no document")
	}
	return l.Messages[1].Content, nil
}

// request is what a user would have asked for to get the document.
func request(b Brief) string {
	return fmt.Sprintf("Write a text of the kind %q (%s) about %s.", b.Type.Name, b.Outlet, b.Facts[0].Topic)
}
