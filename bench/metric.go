package main

import (
	"context"
	"regexp"
	"slices"
	"strings"
)

// metric measures figures that come out of the same runs.
type metric struct {
	name    string
	figures []string // their names, for -run
	about   string   // what exactly is measured
	run     func(ctx context.Context, b *bench) ([]figure, error)
}

func metrics() []metric {
	return []metric{backlogMetric(), riverMetric(), txHookMetric(), manyHooksMetric(), liveMetric(), writeMetric(), followMetric(), bigTxMetric(), webhookMetric(), fairnessMetric(), apiMetric(), importMetric()}
}

// choose takes the metrics of which the name or a figure matches.
func choose(all []metric, pattern *regexp.Regexp) []metric {
	var chosen []metric
	for _, m := range all {
		if pattern.MatchString(m.name) || slices.ContainsFunc(m.figures, pattern.MatchString) {
			chosen = append(chosen, m)
		}
	}
	return chosen
}

func names(all []metric) string {
	var list []string
	for _, m := range all {
		list = append(append(list, m.name), m.figures...)
	}
	return strings.Join(list, ", ")
}

// figure is one number with what it is to be held against.
type figure struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Beside string  `json:"beside,omitempty"` // both sides of a ratio, as measured in the same runs
	Target *target `json:"target,omitempty"`
}

// target is what a figure has to reach.
type target struct {
	AtLeast bool    `json:"at_least"` // otherwise at most, or below
	Below   bool    `json:"below,omitempty"`
	Value   float64 `json:"value"`
}

func (t target) met(v float64) bool {
	switch {
	case t.AtLeast:
		return v >= t.Value
	case t.Below:
		return v < t.Value
	default:
		return v <= t.Value
	}
}

func (t target) String() string {
	sign := "<="
	switch {
	case t.AtLeast:
		sign = ">="
	case t.Below:
		sign = "<"
	}
	return sign + " " + number(t.Value)
}
