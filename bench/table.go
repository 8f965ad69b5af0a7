package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
)

// report prints a table for people, then a line `name value` for each figure.
func report(w io.Writer, server string, o options, chosen []metric, figures []figure) error {
	fmt.Fprintf(w, "\n%s\nMedians of %d runs unless said otherwise; the two sides of a ratio take turns, and it is the median of the rounds' ratios.\n\n", server, o.runs)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "figure\tvalue\ttarget\tmet\tmeasured")
	for _, f := range figures {
		target, met := "", ""
		if f.Target != nil {
			target, met = f.Target.String(), "no"
			if f.Target.met(f.Value) {
				met = "yes"
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", f.Name, number(f.Value), target, met, f.Beside)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	fmt.Fprintln(w)
	for _, m := range chosen {
		fmt.Fprintf(w, "%s: %s\n", m.name, m.about)
	}
	fmt.Fprintln(w)
	for _, f := range figures {
		if _, err := fmt.Fprintln(w, f.Name, number(f.Value)); err != nil {
			return fmt.Errorf("print the figures: %w", err)
		}
	}
	return nil
}

func writeJSON(path string, figures []figure) error {
	text, err := json.MarshalIndent(figures, "", "  ")
	if err == nil {
		err = os.WriteFile(path, append(text, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}
