//go:build tools

// Package tools names what is built, so that go.sum holds the hash of every module that goes into it.
package tools

import _ "github.com/docker/compose/v5/cmd/compose"
