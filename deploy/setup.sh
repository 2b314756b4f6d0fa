# Shared by deploy/quickstart, tests/run and tests/bench/run: what is missing gets installed, what is there is left alone.
# Needs `root`, the repository's folder. Nothing here needs a network when nothing is missing.

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# packages_for build run: those lines of deploy/packages.txt.
packages_for() {
    local group
    for group in "$@"; do
        sed -n "s/^$group \(.*\)/\1/p" "$root/deploy/packages.txt"
    done
}

# Installs what is missing of the groups named, with apt-get, as root or by sudo.
need_packages() {
    local package missing=() as_root=()
    for package in $(packages_for "$@"); do
        dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null ||
            die "packages are missing; as root, install them with: apt-get install -y ${missing[*]}"
        as_root=(sudo)
    fi
    printf 'Installing %s\n' "${missing[*]}"
    local log=$root/build/apt.log
    mkdir -p "$root/build"
    if ! { "${as_root[@]}" apt-get -qq update &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        die "apt-get could not install them; try: apt-get install -y ${missing[*]}"
    fi
}

# build preset [target ...]: configures once and builds.
build() {
    local preset=$1
    shift
    mkdir -p "$root/build"
    if ! (cd "$root" && cmake --preset "$preset" >"build/$preset.log" 2>&1); then
        cat "$root/build/$preset.log" >&2
        die "cmake could not configure the $preset build"
    fi
    ninja -C "$root/build/$preset" --quiet "$@" || die "the $preset build failed"
}
