# The watchdog of package pgtest: ends what a test process has started once that process has gone.
#
# Standard input is a pipe, whose other end the test process alone holds: the kernel closes it whatever that process dies
# of. Each line names something to end: "directory PATH", which has a server's data in PATH/data, or "container NAME".
# What has been ended already is no longer there, and nothing happens.
set -u

# Whoever ends a whole session or container reaches both, and then is when the work begins.
trap '' HUP INT TERM

containers=
while read -r kind name; do
	case $kind in
	directory) set -- "$@" "$name" ;;
	container) containers="$containers $name" ;;
	esac
done

# Succeeds while process $1 is the server of data directory $2. A killed server leaves its process id behind, which may
# go to a stranger; a server works in its data directory.
serves() {
	if [ -d /proc/self ]; then
		# shellcheck disable=SC3013 # dash, bash and busybox have -ef
		[ "/proc/$1/cwd" -ef "$2" ]
	else
		case $(ps -o command= -p "$1") in *"$2"*) ;; *) return 1 ;; esac
	fi
}

for directory; do
	round=0
	# A server that was just being started has its directory removed beneath it, and gives up. Until it does, it may make
	# files there: hence the rounds, of which there is one as a rule.
	while [ -e "$directory" ] && [ $round -lt 100 ]; do
		round=$((round + 1))
		pid=$(head -n 1 "$directory/data/postmaster.pid")
		if [ -n "$pid" ] && serves "$pid" "$directory/data"; then
			if [ $round -lt 60 ]; then signal=QUIT; else signal=KILL; fi
			kill -s "$signal" "$pid"
			sleep 0.1
		else
			rm -rf "$directory" || sleep 0.1
		fi
	done
done

# shellcheck disable=SC2086 # names have no spaces
[ -z "$containers" ] || docker rm --force --volumes $containers
