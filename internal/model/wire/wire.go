// Package wire has what the adapters of providers share: a client that carries
// a codec over the shared transport, and the pieces of codecs. Each of those is
// here because the protocols agree on it, so that the adapters differ in what
// the providers differ in and in nothing else.
package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/credential"
	"github.com/unmask-eval/unmask/internal/model/transport"
)

// Codec translates between requests and one provider's wire protocol. It is
// safe for concurrent use and pure.
type Codec interface {
	// Check returns an *model.UnsupportedError for what the endpoint cannot be
	// asked, and nil else. Nothing that a request demands is left out in silence.
	Check(req model.Request) error
	// Encode returns the body of a request that passed Check, as a value for
	// encoding/json.
	Encode(req model.Request) any
	// Decode reads the whole JSON of a 2xx reply. Its error is a *model.Error
	// whose text is ours alone.
	Decode(body []byte) (model.Reply, error)
	// DecodeStream reads the whole of a reply that was streamed as server-sent
	// events, on the same terms. A stream without its mark of the end is cut.
	DecodeStream(body []byte) (model.Reply, error)
}

// Explainer is a Codec whose provider says more in the body of an error than
// {"error": {"code", "type"}}.
type Explainer interface {
	Explain(status int, body []byte) transport.Explanation
}

// Endpoint is where a codec's requests go.
type Endpoint struct {
	// URL is where to post to.
	URL string
	// Key is sent in the header KeyHeader, after KeyPrefix; none if zero.
	Key                  credential.Secret
	KeyHeader, KeyPrefix string
	// Header is sent with every call.
	Header http.Header
	// MayRepeatPrefill says that the server may put a prefill before the reply that
	// continues it. It is cut off then, so that replies are continuations alone.
	MayRepeatPrefill bool
	// Stream asks for server-sent events. The codec's requests must ask too.
	Stream bool
	// Transport bounds time, size and retries.
	Transport transport.Config
}

// Client is a model behind an endpoint. It is safe for concurrent use. Close it
// when it is no longer needed.
type Client struct {
	endpoint  Endpoint
	codec     Codec
	transport *transport.Client
}

var (
	_ model.Model   = (*Client)(nil)
	_ model.Checker = (*Client)(nil)
)

// NewClient returns a client. The error names every field of the transport's
// configuration that is wrong.
func NewClient(e Endpoint, codec Codec) (*Client, error) {
	t, err := transport.New(e.Transport)
	if err != nil {
		return nil, err
	}
	return &Client{endpoint: e, codec: codec, transport: t}, nil
}

// Close closes idle connections. Calls in flight are not affected.
func (c *Client) Close() { c.transport.Close() }

// Check implements model.Checker.
func (c *Client) Check(req model.Request) error { return c.codec.Check(req) }

// Generate implements model.Model.
func (c *Client) Generate(ctx context.Context, req model.Request) (model.Reply, error) {
	if err := c.codec.Check(req); err != nil {
		return model.Reply{}, refused(err)
	}
	body, err := Encode(c.codec.Encode(req))
	if err != nil {
		return model.Reply{}, err
	}
	header := c.endpoint.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if !c.endpoint.Key.IsZero() {
		header.Set(c.endpoint.KeyHeader, c.endpoint.KeyPrefix+c.endpoint.Key.Reveal())
	}
	var reply model.Reply
	call := transport.Call{
		URL: c.endpoint.URL, Header: header, Body: body, Usage: &reply.Usage,
		Decode: func(body []byte) (err error) {
			reply, err = c.codec.Decode(body)
			return err
		},
	}
	if c.endpoint.Stream {
		call.DecodeStream = func(body []byte) (err error) {
			reply, err = c.codec.DecodeStream(body)
			return err
		}
	}
	if e, ok := c.codec.(Explainer); ok {
		call.Explain = e.Explain
	}
	result, err := c.transport.Post(ctx, call)
	if err != nil {
		return model.Reply{}, err
	}
	if c.endpoint.MayRepeatPrefill && Prefill(req) {
		reply.Raw = strings.TrimPrefix(reply.Raw, req.Messages[len(req.Messages)-1].Content)
	}
	reply.Latency, reply.Attempts = result.Latency, result.Attempts
	return reply, nil
}

// refused is the failure of a request that its endpoint cannot be asked.
func refused(err error) error {
	message := "the endpoint cannot be asked this"
	var unsupported *model.UnsupportedError
	if errors.As(err, &unsupported) {
		message = unsupported.Error()
	}
	return &model.Error{Class: model.ClassBadRequest, Message: message, Err: err}
}

// Encode writes a body. It fails on what JSON cannot carry, such as a
// temperature that is not a number.
func Encode(body any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // prompts are full of tags
	if err := enc.Encode(body); err != nil {
		return nil, &model.Error{Class: model.ClassBadRequest, Message: "the request cannot be written as JSON"}
	}
	return buf.Bytes(), nil
}

// Unsupported returns an *model.UnsupportedError.
func Unsupported(parameter, format string, args ...any) error {
	return &model.UnsupportedError{Parameter: parameter, Reason: fmt.Sprintf(format, args...)}
}
