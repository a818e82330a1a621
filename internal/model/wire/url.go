package wire

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
)

// versionSegment finds a version in a path, such as v1 or v1beta.
var versionSegment = regexp.MustCompile(`/v[0-9]+[a-z0-9]*(/|$)`)

// URL returns the URL of an operation at a base URL. A path without a version
// gets the given one, such as "/v1", unless that is empty; one that has a
// version anywhere, or that names the operation already, is taken as it is.
// Errors never repeat the URL, which may hold a password.
func URL(base, version, operation string) (string, error) {
	if base == "" {
		return "", errors.New("base_url is empty")
	}
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return "", errors.New("base_url is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("base_url begins with neither http:// nor https://")
	case u.Hostname() == "":
		return "", errors.New("base_url names no host")
	case u.User != nil:
		return "", errors.New("base_url holds credentials; name a key by api_key instead")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", errors.New("base_url has a query or a fragment")
	}
	path := strings.TrimRight(u.Path, "/")
	if !strings.HasSuffix(path, operation) {
		if !versionSegment.MatchString(path) {
			path += version
		}
		path += operation
	}
	u.Path, u.RawPath = path, ""
	return u.String(), nil
}
