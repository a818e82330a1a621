package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/unmask-eval/unmask/internal/model"
)

// errFinal marks failures that no retry can mend.
var errFinal = errors.New("not retried")

// ErrTooLarge is wrapped by the failure of a reply beyond MaxReplyBytes.
var ErrTooLarge = fmt.Errorf("reply too large: %w", errFinal)

// ErrCut is wrapped by the failure of a reply that ended before its end.
var ErrCut = errors.New("reply was cut")

// Cut returns the failure of a reply that ends before the provider's own mark
// of its end.
func Cut() error {
	return &model.Error{Class: model.ClassBadReply, Message: "the reply was cut before its end", Err: ErrCut}
}

// BadReply returns the failure of a reply that does not follow the protocol.
// The message must not hold text of the reply.
func BadReply(message string) error {
	return &model.Error{Class: model.ClassBadReply, Message: message}
}

// ClassOf returns the class of an HTTP status outside of 2xx.
//
//	408, 504             TIMEOUT        retried
//	429                  RATE_LIMITED   retried
//	409, 425, other 5xx  UNAVAILABLE    retried (529 is "overloaded")
//	401, 402, 403        AUTH           not retried (402: no credit is left)
//	3xx, 404, 405, 410   NOT_FOUND      not retried (redirects are not followed)
//	other 4xx            BAD_REQUEST    not retried
//	anything else        BAD_REPLY      retried once
func ClassOf(status int) model.ErrorClass {
	switch status {
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return model.ClassTimeout
	case http.StatusTooManyRequests:
		return model.ClassRateLimited
	case http.StatusConflict, http.StatusTooEarly:
		return model.ClassUnavailable
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden:
		return model.ClassAuth
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return model.ClassNotFound
	}
	switch {
	case status >= 500 && status <= 599:
		return model.ClassUnavailable
	case status >= 400 && status <= 499:
		return model.ClassBadRequest
	case status >= 300 && status <= 399:
		return model.ClassNotFound
	default:
		return model.ClassBadReply
	}
}

// statusMessage says in a few words what a class of status means.
func statusMessage(status int) string {
	switch ClassOf(status) {
	case model.ClassTimeout:
		return "the server gave up waiting"
	case model.ClassRateLimited:
		return "the server refuses for the rate"
	case model.ClassUnavailable:
		return "the server cannot answer now"
	case model.ClassAuth:
		return "the server refuses the credentials"
	case model.ClassNotFound:
		if status < 400 {
			return "the server redirects; give the final URL"
		}
		return "the server knows no such model or path"
	case model.ClassBadRequest:
		return "the server refuses the request"
	default:
		return "the server's status means nothing to us"
	}
}

// statusFailure turns a reply outside of 2xx into a failure.
func (c *Client) statusFailure(call Call, resp *http.Response, cancel context.CancelFunc) *model.Error {
	// The status alone decides where the body is not JSON because it was cut.
	body, whole := c.readFailure(resp, cancel, maxErrorBytes)
	kept := failureBody(call, body, whole)
	body = redact(call.Header, body)
	failure := &model.Error{
		Class:      ClassOf(resp.StatusCode),
		Status:     resp.StatusCode,
		Message:    statusMessage(resp.StatusCode),
		RetryAfter: retryAfter(resp.Header, c.cfg.Clock.Now()),
		Body:       kept,
	}
	code := machineCode(body)
	if call.Explain != nil {
		more := call.Explain(resp.StatusCode, body)
		if more.Class != "" {
			failure.Class = more.Class
		}
		if failure.RetryAfter == 0 {
			failure.RetryAfter = min(max(more.RetryAfter, 0), maxRetryAfter)
		}
		if IsMachineCode(more.Code) {
			code = more.Code
		}
	}
	if code == "" || echoes(call, code) {
		return failure
	}
	failure.Message += " [" + code + "]"
	// An exhausted account answers 429 like a busy one, but waiting does not
	// fill it, and every further sample would fail alike.
	if failure.Class == model.ClassRateLimited && exhausted(code) {
		failure.Class = model.ClassAuth
	}
	return failure
}

// exhausted reports whether a code says that the account has no credit left.
func exhausted(code string) bool {
	return code == "insufficient_quota" || code == "billing_hard_limit_reached"
}

// networkFailure turns an error of http.Client.Do into a failure. Texts of
// such errors may hold the URL and bytes of the reply, so none is kept.
func (c *Client) networkFailure(ctx context.Context, err error) *model.Error {
	if ctx.Err() != nil {
		return c.timedOut(ctx, 0)
	}
	var (
		netErr  net.Error
		opErr   *net.OpError
		dnsErr  *net.DNSError
		certErr *tls.CertificateVerificationError
		hostErr x509.HostnameError
	)
	dialling := errors.As(err, &opErr) && opErr.Op == "dial"
	timedOut := errors.As(err, &netErr) && netErr.Timeout()
	switch {
	case timedOut && dialling:
		return timeout("no connection within %v", c.cfg.ConnectTimeout)
	case timedOut:
		return c.firstByteTimeout(0)
	case errors.As(err, &certErr), errors.As(err, &hostErr):
		return unavailable("the server's TLS certificate is not trusted", errFinal)
	case errors.Is(err, http.ErrSchemeMismatch):
		return unavailable("the server speaks HTTP where HTTPS is configured", errFinal)
	case errors.As(err, &dnsErr):
		return unavailable("the server's name cannot be resolved", nil)
	case errors.Is(err, syscall.ECONNREFUSED):
		return unavailable("the connection was refused", syscall.ECONNREFUSED)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return unavailable("the connection was closed before a reply came", nil)
	case strings.Contains(err.Error(), "malformed"):
		return &model.Error{Class: model.ClassBadReply, Message: "the reply is not HTTP"}
	case dialling:
		return unavailable("the server cannot be reached", nil)
	default:
		return unavailable("the connection failed", nil)
	}
}

// bodyFailure turns an error while reading a body into a failure.
func (c *Client) bodyFailure(ctx context.Context, status int, err error) *model.Error {
	var netErr net.Error
	if ctx.Err() != nil || (errors.As(err, &netErr) && netErr.Timeout()) {
		return c.timedOut(ctx, status)
	}
	return &model.Error{
		Class: model.ClassBadReply, Status: status, Err: ErrCut,
		Message: "the reply was cut before its end",
	}
}

// timedOut is the failure of an attempt whose context ended by itself.
func (c *Client) timedOut(ctx context.Context, status int) *model.Error {
	if errors.Is(context.Cause(ctx), errNoFirstByte) {
		return c.firstByteTimeout(status)
	}
	return c.callTimeout(status)
}

func (c *Client) firstByteTimeout(status int) *model.Error {
	failure := timeout("no first byte within %v", c.cfg.FirstByteTimeout)
	failure.Status = status
	return failure
}

func (c *Client) callTimeout(status int) *model.Error {
	failure := timeout("no whole reply within %v", c.cfg.CallTimeout)
	failure.Status = status
	return failure
}

func timeout(format string, args ...any) *model.Error {
	return &model.Error{Class: model.ClassTimeout, Message: fmt.Sprintf(format, args...)}
}

func unavailable(message string, cause error) *model.Error {
	return &model.Error{Class: model.ClassUnavailable, Message: message, Err: cause}
}

// eventStream is the media type of server-sent events.
const eventStream = "text/event-stream"

// jsonMediaType reports whether a reply claims to be JSON, and else what it
// claims to be. Only common names are repeated, because a server may write
// anything there. A missing claim passes: the decoder will tell.
func jsonMediaType(h http.Header) (string, bool) {
	value := h.Get("Content-Type")
	if value == "" {
		return "", true
	}
	mediaType, _, err := mime.ParseMediaType(value)
	if err != nil {
		return "of an unreadable media type", false
	}
	switch mediaType {
	case "application/json", "text/json":
		return mediaType, true
	case "text/html", "text/plain", "text/xml", eventStream, "application/xml",
		"application/x-ndjson", "application/octet-stream":
		return mediaType, false
	}
	if strings.HasSuffix(mediaType, "+json") {
		return "application/json", true
	}
	return "of another media type", false
}
