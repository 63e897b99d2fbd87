// A value on a scale. `steps` may be of any distances (powers of two, say): the thumb moves from one to the next.

import { Label } from "react-aria-components/Label";
import { Slider as Inner, SliderFill, SliderOutput, SliderThumb, SliderTrack } from "react-aria-components/Slider";

export interface SliderProps {
  label: string;
  /** The values that may be chosen, in order. */
  steps: number[];
  value: number;
  onChange: (value: number) => void;
  /** When the thumb is let go. */
  onCommit?: (value: number) => void;
  show: (value: number) => string;
  disabled?: boolean;
}

export function nearest(steps: number[], value: number): number {
  let best = 0;
  steps.forEach((step, index) => {
    if (Math.abs(step - value) < Math.abs((steps[best] ?? 0) - value)) best = index;
  });
  return best;
}

export function Slider({ label, steps, value, onChange, onCommit, show, disabled = false }: SliderProps) {
  const at = (index: number) => steps[index] ?? 0;
  const position = nearest(steps, value);
  return (
    <Inner
      className="slider"
      minValue={0}
      maxValue={steps.length - 1}
      step={1}
      value={position}
      isDisabled={disabled}
      onChange={(index) => onChange(at(index as number))}
      onChangeEnd={(index) => onCommit?.(at(index as number))}
    >
      <Label>{label}</Label>
      <SliderOutput className="slider-output">{show(value)}</SliderOutput>
      <SliderTrack className="slider-track">
        <SliderFill className="slider-fill" />
        <SliderThumb className="slider-thumb" aria-valuetext={show(at(position))} />
      </SliderTrack>
    </Inner>
  );
}
