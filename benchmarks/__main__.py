"""``python -m benchmarks NAME``; without a name, what there is."""

from .run import main

if __name__ == "__main__":
    main()
