#!/bin/sh
# Unpacks a C project from an archive and builds it with make, twice. Usage: build.sh DIR
# UNITS: how many source files (40).
set -eu
dir=$1
. "$(dirname "$0")/fresh.inc"
units=${UNITS:-40}
mkdir -p "$dir/src/include" "$dir/out"
cd "$dir/src"
{
    echo 'CFLAGS = -O1 -Iinclude'
    echo 'OBJECTS = $(patsubst %.c,%.o,$(wildcard *.c))'
    echo 'program: $(OBJECTS)'
    printf '\t$(CC) -o $@ $^\n'
    echo '%.o: %.c include/all.h'
    printf '\t$(CC) $(CFLAGS) -c -o $@ $<\n'
} >Makefile
: >include/all.h
echo '#include "all.h"' >main.c
echo 'int main(void) { int sum = 0;' >>main.c
for i in $(seq "$units"); do
    echo "int unit_$i(int);" >>include/all.h
    echo "sum += unit_$i($i);" >>main.c
    {
        echo '#include <stdio.h>'
        echo '#include <string.h>'
        echo '#include "all.h"'
        echo "int unit_$i(int x) { char text[64]; snprintf(text, sizeof text, \"%d\", x); return (int) strlen(text) + $i; }"
    } >"unit$i.c"
done
echo 'return sum == EXPECTED ? 0 : 1; }' >>main.c
expected=0
for i in $(seq "$units"); do expected=$((expected + ${#i} + i)); done
sed -i "s/EXPECTED/$expected/" main.c

tar -czf "$dir/src.tar.gz" -C "$dir" src
tar -xzf "$dir/src.tar.gz" -C "$dir/out"
fresh
diff -r "$dir/src" "$dir/out/src"
make -s -j4 -C "$dir/out/src"
fresh
"$dir/out/src/program"
# Nothing is out of date: times are kept as they are set.
make -C "$dir/out/src" >"$dir/again" 2>&1
[ "$(grep -c -- '-c -o' "$dir/again")" -eq 0 ]
touch "$dir/out/src/unit1.c"
make -C "$dir/out/src" >"$dir/again" 2>&1
[ "$(grep -c -- '-c -o' "$dir/again")" -eq 1 ]
"$dir/out/src/program"
