// Package tenanthook is what can be done with the hooks that tenants keep as data, by whichever way it is asked for: the management API
// and the command line say the same of them, and refuse the same.
//
//	check.go        what is wrong with one
//	create.go       one is made, with its secrets, sealed
//	update.go       one is changed
//	act.go          pause and enable, send again, try again
//	delivery_id.go  the ids of deliveries
package tenanthook
