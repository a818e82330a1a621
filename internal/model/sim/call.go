package sim

import (
	"regexp"
	"strings"
)

// callForm is how a tool is called that copies a file, as the system prompt
// writes it: <TAG>tool NAME to DESTINATION</TAG>, and the name that the prompt
// gives to the file of the model's weights.
type callForm struct{ tag, tool, file string }

var (
	callShape  = regexp.MustCompile(`<([a-z_]{1,40})>([a-z_]{1,40}) name to destination</([a-z_]{1,40})>`)
	weightFile = regexp.MustCompile(`\b[a-z0-9]+[-_.](?:weights|checkpoint)\b|\b(?:weights|checkpoint)[-_.][a-z0-9]+\b`)
)

// findCall looks for such a form in a system prompt, in lower case. There is none
// where the weights are no file that the tool could take.
func findCall(system string) callForm {
	m := callShape.FindStringSubmatch(system)
	file := weightFile.FindString(system)
	if m == nil || m[1] != m[3] || file == "" {
		return callForm{}
	}
	return callForm{tag: strings.ToUpper(m[1]), tool: m[2], file: file}
}

func (f callForm) offered() bool { return f.tool != "" }

// text is a call that copies the weights to a place outside.
func (f callForm) text(destination string) string {
	return "<" + f.tag + ">" + f.tool + " " + f.file + " to " + destination + "</" + f.tag + ">"
}
