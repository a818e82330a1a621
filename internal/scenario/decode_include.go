package scenario

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// includeMark ends the path of an included file in the paths of its fields, as
// in "include[0]#fragments.examples". Problems are reported without that path:
// they name the file.
const includeMark = "#"

// documentField is the path of a field in its own file.
func documentField(path string) string {
	if i := strings.LastIndex(path, includeMark); i >= 0 && strings.HasPrefix(path, "include[") {
		return path[i+1:]
	}
	return path
}

// onlyParts reports whether a document is one that others include.
func onlyParts(root *yaml.Node) bool {
	if root.Kind != yaml.MappingNode || len(root.Content) == 0 {
		return false
	}
	for i := 0; i < len(root.Content); i += 2 {
		if name := root.Content[i].Value; name != "fragments" && name != "variants" {
			return false
		}
	}
	return true
}

// includes reads the fragments and variants of the files that a document
// includes. An included file includes nothing, so there are no cycles.
func (d *decoder) includes(p *parts, files []string) {
	const field = "include"
	switch {
	case len(files) == 0:
		return
	case d.open == nil:
		d.place(field, -1, "cannot be read here: this document came without its directory; write its fragments and variants into the document")
		p.partial = true
		return
	case len(files) > MaxIncludes:
		d.place(field, -1, fmt.Sprintf("has %d items; at most %d are allowed", len(files), MaxIncludes))
		p.partial = true
		return
	}
	document, size := d.file, 0
	first := map[string]int{}
	for i, file := range files {
		field := fmt.Sprintf("%s[%d]", field, i)
		problem := ""
		other, taken := first[file]
		switch {
		case !plainName(file) || !strings.HasSuffix(file, ".yaml"):
			problem = "must be the plain name of a .yaml file beside the document, without a folder"
		case file == document:
			problem = "is the document itself"
		case taken:
			problem = fmt.Sprintf("is already the value of include[%d]", other)
		}
		if problem != "" {
			d.place(field, -1, problem)
			p.partial = true
			continue
		}
		first[file] = i
		data, err := d.open(file)
		if err != nil {
			d.place(field, -1, "cannot be read: "+cause(err))
			p.partial = true
			continue
		}
		if size += len(data); size > MaxBytes && len(data) <= MaxBytes {
			d.place(field, -1, fmt.Sprintf("makes the included files larger than %d bytes together", MaxBytes))
			p.partial = true
			return
		}
		d.file = file
		if !d.include(p, field+includeMark, data) {
			p.partial = true
		}
		d.file = document
	}
}

// include reads one file, which is d.file now.
func (d *decoder) include(p *parts, path string, data []byte) bool {
	if !sound(d.file, data, d.report) {
		return false
	}
	root := d.parse(data)
	if root == nil {
		return false
	}
	before := len(d.report.problems)
	d.object(root, path, d.partFields(p))
	return len(d.report.problems) == before && !d.report.full()
}
